-- Background jobs of the live namespace. An isolated run has none: its data may be years old and are to stay.

-- The refresh begins later than the rows of 1 min end: an hour whose rows have been dropped keeps its rollup.
SELECT add_continuous_aggregate_policy('zone_occupancy_1h',
    start_offset => INTERVAL '390 days', end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '5 minutes');
SELECT add_continuous_aggregate_policy('traffic_station_1h',
    start_offset => INTERVAL '390 days', end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '5 minutes');

SELECT add_retention_policy(table_name::regclass, keep) FROM retention;

ALTER TABLE zone_occupancy_10s SET (timescaledb.compress, timescaledb.compress_segmentby = 'camera, zone');
ALTER TABLE zone_occupancy_1m SET (timescaledb.compress, timescaledb.compress_segmentby = 'camera, zone');
ALTER TABLE traffic_lane_1m SET (timescaledb.compress, timescaledb.compress_segmentby = 'station, lane');
ALTER TABLE traffic_station_1m SET (timescaledb.compress, timescaledb.compress_segmentby = 'station');
ALTER TABLE traffic_reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'station, lane');
SELECT add_compression_policy('zone_occupancy_10s', INTERVAL '3 days');
SELECT add_compression_policy('zone_occupancy_1m', INTERVAL '14 days');
SELECT add_compression_policy('traffic_lane_1m', INTERVAL '3 days');
SELECT add_compression_policy('traffic_station_1m', INTERVAL '14 days');
SELECT add_compression_policy('traffic_reading', INTERVAL '3 days');
