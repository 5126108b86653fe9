-- What readers see. Same names and columns on both editions of TimescaleDB.

CREATE TABLE label (
    kind text NOT NULL,
    value text NOT NULL,
    label_vi text NOT NULL,
    label_en text NOT NULL,
    PRIMARY KEY (kind, value)
);
INSERT INTO label (kind, value, label_vi, label_en) VALUES
    ('level_of_service', 'A', 'A – thông thoáng', 'A – free'),
    ('level_of_service', 'B', 'B – khá thoáng', 'B – mostly free'),
    ('level_of_service', 'C', 'C – ổn định', 'C – stable'),
    ('level_of_service', 'D', 'D – gần đông', 'D – getting full'),
    ('level_of_service', 'E', 'E – rất đông', 'E – crowded'),
    ('level_of_service', 'F', 'F – quá tải', 'F – overloaded'),
    ('condition', 'zone-overcrowded', 'Khu vực quá đông', 'Zone overcrowded'),
    ('condition', 'road-congested', 'Ùn tắc giao thông', 'Road congested'),
    ('condition', 'source-silent', 'Mất tín hiệu', 'Source silent'),
    ('condition', 'worker-stalled', 'Tiến trình xử lý bị đứng', 'Worker stalled'),
    ('condition', 'camera-cannot-see', 'Camera không nhìn thấy', 'Camera cannot see'),
    ('state', 'unacknowledged', 'Chưa tiếp nhận', 'Unacknowledged'),
    ('state', 'acknowledged', 'Đã tiếp nhận', 'Acknowledged'),
    ('state', 'returned-unacknowledged', 'Đã hết, chưa tiếp nhận', 'Returned, unacknowledged'),
    ('state', 'normal', 'Bình thường', 'Normal'),
    ('state', 'shelved', 'Tạm gác', 'Shelved'),
    ('state', 'suppressed', 'Bị chặn theo thiết kế', 'Suppressed by design'),
    ('state', 'out-of-service', 'Ngừng hoạt động', 'Out of service'),
    ('priority', 'low', 'Thấp', 'Low'),
    ('priority', 'high', 'Cao', 'High'),
    ('priority', 'critical', 'Khẩn cấp', 'Critical'),
    ('health', 'ok', 'Tốt', 'OK'),
    ('health', 'offline', 'Mất kết nối', 'Offline'),
    ('health', 'frozen', 'Đứng hình', 'Frozen'),
    ('health', 'black', 'Hình đen', 'Black'),
    ('health', 'covered', 'Bị che', 'Covered'),
    ('health', 'defocused', 'Mất nét', 'Out of focus'),
    ('health', 'moved', 'Bị xoay lệch', 'Moved'),
    ('health', 'overexposed', 'Quá sáng', 'Overexposed'),
    ('health', 'underexposed', 'Quá tối', 'Underexposed'),
    ('health', 'low-frame-rate', 'Tốc độ khung hình thấp', 'Low frame rate'),
    ('health', 'clock-drift', 'Lệch đồng hồ', 'Clock drift'),
    ('health', 'not-assessable', 'Không đánh giá được', 'Not assessable'),
    ('reason', 'not-json', 'Không phải JSON', 'Not JSON'),
    ('reason', 'unknown-kind', 'Loại bản tin không xác định', 'Unknown kind'),
    ('reason', 'wrong-shape', 'Sai cấu trúc', 'Wrong shape'),
    ('reason', 'empty', 'Bản tin rỗng', 'Empty'),
    ('reason', 'too-large', 'Bản tin quá lớn', 'Too large'),
    ('reason', 'implausible-time', 'Thời gian không hợp lý', 'Implausible time'),
    ('reason', 'unknown-source', 'Nguồn không xác định', 'Unknown source'),
    ('reason', 'unknown-place', 'Vị trí không xác định', 'Unknown place'),
    ('reason', 'columns-differ', 'Các cột dài không bằng nhau', 'Columns differ in length'),
    ('reason', 'implausible-value', 'Giá trị không hợp lý', 'Implausible value'),
    ('reason', 'beyond-grace', 'Đến quá muộn', 'Beyond grace'),
    ('reason', 'wrong-key', 'Sai khóa bản tin', 'Wrong key');

CREATE VIEW v_zone_occupancy_10s AS
SELECT o.*, l.label_vi AS level_vi, l.label_en AS level_en
FROM zone_occupancy_10s o LEFT JOIN label l ON l.kind = 'level_of_service' AND l.value = o.level_of_service;

CREATE VIEW v_zone_occupancy_1m AS
SELECT o.*, l.label_vi AS level_vi, l.label_en AS level_en
FROM zone_occupancy_1m o LEFT JOIN label l ON l.kind = 'level_of_service' AND l.value = o.level_of_service;

CREATE VIEW v_line_crossing_1m AS SELECT * FROM line_crossing_1m;

CREATE VIEW v_traffic_lane_1m AS
SELECT t.*, l.label_vi AS level_vi, l.label_en AS level_en
FROM traffic_lane_1m t LEFT JOIN label l ON l.kind = 'level_of_service' AND l.value = t.level_of_service;

CREATE VIEW v_traffic_station_1m AS
SELECT t.*, l.label_vi AS level_vi, l.label_en AS level_en
FROM traffic_station_1m t LEFT JOIN label l ON l.kind = 'level_of_service' AND l.value = t.level_of_service;

CREATE VIEW v_traffic_reading AS SELECT * FROM traffic_reading;

CREATE VIEW v_zone_occupancy_1h AS
SELECT camera, zone, hour_start, people_mean, people_max, density_per_m2, samples, coverage FROM zone_occupancy_1h;

CREATE VIEW v_traffic_station_1h AS
SELECT station, hour_start, corridor, vehicles, flow_veh_h, speed_kmh, occupancy_pct, density_veh_km, readings, coverage
FROM traffic_station_1h;

CREATE VIEW v_camera_health AS
SELECT h.*, l.label_vi AS health_vi, l.label_en AS health_en
FROM camera_health h LEFT JOIN label l ON l.kind = 'health' AND l.value = h.health;

-- What each camera's picture is like now.
CREATE VIEW v_camera_health_now AS
SELECT DISTINCT ON (camera) * FROM v_camera_health ORDER BY camera, observed_at DESC;

CREATE VIEW v_alarm_history AS
SELECT e.*,
    s.label_vi AS state_vi, s.label_en AS state_en,
    c.label_vi AS condition_vi, c.label_en AS condition_en,
    p.label_vi AS priority_vi, p.label_en AS priority_en
FROM alarm_event e
LEFT JOIN label s ON s.kind = 'state' AND s.value = e.state
LEFT JOIN label c ON c.kind = 'condition' AND c.value = e.condition
LEFT JOIN label p ON p.kind = 'priority' AND p.value = e.priority;

-- An alarm is open until it has returned or is normal again. Of transitions at the same instant the last in the
-- order of life counts.
CREATE VIEW v_alarm_open AS
SELECT h.*
FROM v_alarm_history h JOIN (
    SELECT DISTINCT ON (alarm) alarm, state, changed_at
    FROM alarm_event
    ORDER BY alarm, changed_at DESC, array_position(
        ARRAY['unacknowledged', 'acknowledged', 'shelved', 'suppressed', 'out-of-service',
              'returned-unacknowledged', 'normal'], state) DESC
) newest USING (alarm, state, changed_at)
WHERE state NOT IN ('normal', 'returned-unacknowledged');

CREATE VIEW v_correction AS SELECT * FROM correction;

-- Without the payload and the key, which may hold what nobody checked.
CREATE VIEW v_dead_letter AS
SELECT d.topic, d.kafka_partition, d.kafka_offset, d.logged_at, d.reason, d.path, d.detail, d.rows, d.size_bytes,
    d.sha256, l.label_vi AS reason_vi, l.label_en AS reason_en
FROM dead_letter d LEFT JOIN label l ON l.kind = 'reason' AND l.value = d.reason;

-- How far each table has come. Lanes come with their stations.
CREATE VIEW v_pipeline_freshness AS
SELECT 'zone_occupancy_10s' AS table_name, max(window_start) AS newest FROM zone_occupancy_10s
UNION ALL SELECT 'zone_occupancy_1m', max(window_start) FROM zone_occupancy_1m
UNION ALL SELECT 'line_crossing_1m', max(window_start) FROM line_crossing_1m
UNION ALL SELECT 'camera_health', max(observed_at) FROM camera_health
UNION ALL SELECT 'traffic_station_1m', max(window_start) FROM traffic_station_1m
UNION ALL SELECT 'alarm_event', max(changed_at) FROM alarm_event
UNION ALL SELECT 'correction', max(window_start) FROM correction
UNION ALL SELECT 'dead_letter', max(logged_at) FROM dead_letter;
