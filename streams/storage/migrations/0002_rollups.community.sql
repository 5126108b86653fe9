-- Hourly rollups as continuous aggregates, hours not yet materialised computed as they are read. The same formulas
-- stand in the file of the Apache edition (a test compares what they give).

CREATE MATERIALIZED VIEW zone_occupancy_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    camera,
    zone,
    time_bucket(INTERVAL '1 hour', window_start) AS hour_start,
    sum(people_mean * coverage) / nullif(sum(coverage), 0) AS people_mean,
    max(people_max) AS people_max,
    sum(density_per_m2 * coverage) / nullif(sum(coverage), 0) AS density_per_m2,
    sum(samples) AS samples,
    sum(coverage) / 60 AS coverage
FROM zone_occupancy_1m
GROUP BY camera, zone, time_bucket(INTERVAL '1 hour', window_start)
WITH NO DATA;

CREATE MATERIALIZED VIEW traffic_station_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    station,
    time_bucket(INTERVAL '1 hour', window_start) AS hour_start,
    max(corridor) AS corridor,
    sum(vehicles) AS vehicles,
    avg(flow_veh_h) AS flow_veh_h,
    sum(vehicles) FILTER (WHERE speed_kmh > 0)
        / nullif(sum(vehicles / speed_kmh) FILTER (WHERE speed_kmh > 0), 0) AS speed_kmh,
    avg(occupancy_pct) AS occupancy_pct,
    avg(density_veh_km) AS density_veh_km,
    sum(readings) AS readings,
    sum(coverage) / 60 AS coverage
FROM traffic_station_1m
GROUP BY station, time_bucket(INTERVAL '1 hour', window_start)
WITH NO DATA;
