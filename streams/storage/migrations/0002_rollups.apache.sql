-- Hourly rollups as ordinary hypertables, which the platform refreshes itself (streams/storage/maintenance.py).

CREATE TABLE zone_occupancy_1h (
    camera text COLLATE "C" NOT NULL,
    zone text COLLATE "C" NOT NULL,
    hour_start timestamptz NOT NULL,
    people_mean float8,
    people_max int4,
    density_per_m2 float8,
    samples int8,
    coverage float8,
    PRIMARY KEY (camera, zone, hour_start)
);
CREATE TABLE traffic_station_1h (
    station text COLLATE "C" NOT NULL,
    hour_start timestamptz NOT NULL,
    corridor text,
    vehicles int8,
    flow_veh_h float8,
    speed_kmh float8,
    occupancy_pct float8,
    density_veh_km float8,
    readings int8,
    coverage float8,
    PRIMARY KEY (station, hour_start)
);
SELECT create_hypertable('zone_occupancy_1h', by_range('hour_start', INTERVAL '365 days'), create_default_indexes => false);
SELECT create_hypertable('traffic_station_1h', by_range('hour_start', INTERVAL '365 days'), create_default_indexes => false);
CREATE INDEX zone_occupancy_1h_time ON zone_occupancy_1h (hour_start DESC);
CREATE INDEX traffic_station_1h_time ON traffic_station_1h (hour_start DESC);

-- Hours that the sink has touched, named in the transaction that touched them. Only ever appended to: were an hour
-- named once, a refresh could take the name while another writer's rows are not committed yet, and miss them.
CREATE TABLE rollup_pending (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    hour_start timestamptz NOT NULL
);

-- Computes the touched hours anew; returns how many. Runs as the owner, so that a writer need not own the tables.
CREATE FUNCTION refresh_rollups() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    touched record;
    refreshed int := 0;
BEGIN
    LOCK TABLE rollup_pending IN SHARE UPDATE EXCLUSIVE MODE;
    FOR touched IN
        WITH taken AS (DELETE FROM rollup_pending RETURNING source, hour_start)
        SELECT DISTINCT source, hour_start FROM taken ORDER BY source, hour_start
    LOOP
        IF touched.source = 'zone_occupancy_1m' THEN
            INSERT INTO zone_occupancy_1h
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
            WHERE window_start >= touched.hour_start AND window_start < touched.hour_start + INTERVAL '1 hour'
            GROUP BY camera, zone, time_bucket(INTERVAL '1 hour', window_start)
            ON CONFLICT (camera, zone, hour_start) DO UPDATE SET
                people_mean = excluded.people_mean, people_max = excluded.people_max,
                density_per_m2 = excluded.density_per_m2, samples = excluded.samples, coverage = excluded.coverage;
        ELSE
            INSERT INTO traffic_station_1h
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
            WHERE window_start >= touched.hour_start AND window_start < touched.hour_start + INTERVAL '1 hour'
            GROUP BY station, time_bucket(INTERVAL '1 hour', window_start)
            ON CONFLICT (station, hour_start) DO UPDATE SET
                corridor = excluded.corridor, vehicles = excluded.vehicles, flow_veh_h = excluded.flow_veh_h,
                speed_kmh = excluded.speed_kmh, occupancy_pct = excluded.occupancy_pct,
                density_veh_km = excluded.density_veh_km, readings = excluded.readings, coverage = excluded.coverage;
        END IF;
        refreshed := refreshed + 1;
    END LOOP;
    RETURN refreshed;
END
$$;

-- Drops the chunks of one table that ended before its retention; returns how many.
CREATE FUNCTION drop_old_chunks(of_table text, at timestamptz) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT count(dropped)::int
    FROM retention, LATERAL drop_chunks(table_name::regclass, older_than => at - keep) AS dropped
    WHERE table_name = of_table
$$;

REVOKE ALL ON FUNCTION refresh_rollups(), drop_old_chunks(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refresh_rollups(), drop_old_chunks(text, timestamptz) TO ioc_writer;
GRANT INSERT ON rollup_pending TO ioc_writer;
GRANT SELECT ON retention TO ioc_writer;
