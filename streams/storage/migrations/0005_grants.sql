-- Writers write and read the tables; readers see the views and nothing else.

GRANT INSERT, UPDATE, SELECT ON
    zone_occupancy_10s, zone_occupancy_1m, line_crossing_1m, camera_health, traffic_lane_1m, traffic_station_1m,
    traffic_reading, alarm_event, correction, dead_letter
TO ioc_writer;
GRANT SELECT ON
    v_zone_occupancy_10s, v_zone_occupancy_1m, v_zone_occupancy_1h, v_line_crossing_1m, v_traffic_lane_1m,
    v_traffic_station_1m, v_traffic_station_1h, v_traffic_reading, v_camera_health, v_camera_health_now,
    v_alarm_history, v_alarm_open, v_correction, v_dead_letter, v_pipeline_freshness
TO ioc_reader, ioc_writer;
