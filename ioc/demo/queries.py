"""What the demo asks the database, as the read-only role, through the views."""

from __future__ import annotations

COUNTED = {
    "zone_occupancy_10s": ("v_zone_occupancy_10s", "window_start"),
    "zone_occupancy_1m": ("v_zone_occupancy_1m", "window_start"),
    "line_crossing_1m": ("v_line_crossing_1m", "window_start"),
    "traffic_lane_1m": ("v_traffic_lane_1m", "window_start"),
    "traffic_station_1m": ("v_traffic_station_1m", "window_start"),
    "camera_health": ("v_camera_health", "observed_at"),
    "alarm_event": ("v_alarm_history", "changed_at"),
    "correction": ("v_correction", "window_start"),
    "dead_letter": ("v_dead_letter", "logged_at"),
}
"""Table -> its view and the column of its time."""

ROW_COUNTS = " UNION ALL ".join(
    f"SELECT '{table}', count(*) FROM {view} WHERE {time} >= %(since)s"  # noqa: S608  names of our own
    for table, (view, time) in COUNTED.items()
)

ALARMS_RAISED = "SELECT count(DISTINCT alarm) FROM v_alarm_history WHERE raised_at >= %(since)s"

OPEN_ALARMS = """
    SELECT alarm, raised_at, priority, condition, source, place, condition_vi, condition_en, detail_vi, detail_en
    FROM v_alarm_open ORDER BY raised_at DESC, alarm LIMIT 100
"""

FULLEST_ZONES = """
    SELECT DISTINCT ON (camera, zone) camera, zone, window_start, people_mean, level_of_service, level_vi, level_en
    FROM v_zone_occupancy_10s
    WHERE window_start > %(now)s - INTERVAL '2 minutes'
    ORDER BY camera, zone, window_start DESC
"""

SLOWEST_STATIONS = """
    SELECT DISTINCT ON (station) corridor, station, window_start, speed_kmh, flow_veh_h, level_of_service,
        level_vi, level_en
    FROM v_traffic_station_1m
    WHERE window_start > %(now)s - INTERVAL '10 minutes' AND speed_kmh IS NOT NULL
    ORDER BY station, window_start DESC
"""

NEWEST = "SELECT max(newest) FROM v_pipeline_freshness"
