-- What the sink writes. Natural keys that include the time; every table is a hypertable. Keys are compared byte by
-- byte: quick, and the same order on every machine.

CREATE TABLE zone_occupancy_10s (
    camera text COLLATE "C" NOT NULL,
    zone text COLLATE "C" NOT NULL,
    window_start timestamptz NOT NULL,
    revision int4 NOT NULL,
    people_mean float8 NOT NULL,
    people_max int4 NOT NULL,
    density_per_m2 float8 NOT NULL,
    level_of_service text NOT NULL,
    samples int4 NOT NULL,
    coverage float8 NOT NULL,
    PRIMARY KEY (camera, zone, window_start)
);
CREATE TABLE zone_occupancy_1m (LIKE zone_occupancy_10s INCLUDING ALL);

CREATE TABLE line_crossing_1m (
    camera text COLLATE "C" NOT NULL,
    line text COLLATE "C" NOT NULL,
    window_start timestamptz NOT NULL,
    revision int4 NOT NULL,
    entered int4 NOT NULL,
    exited int4 NOT NULL,
    samples int4 NOT NULL,
    PRIMARY KEY (camera, line, window_start)
);

CREATE TABLE camera_health (
    camera text COLLATE "C" NOT NULL,
    observed_at timestamptz NOT NULL,
    health text NOT NULL,
    previous text NOT NULL,
    PRIMARY KEY (camera, observed_at)
);

CREATE TABLE traffic_lane_1m (
    station text COLLATE "C" NOT NULL,
    lane int2 NOT NULL,
    window_start timestamptz NOT NULL,
    corridor text NOT NULL,
    revision int4 NOT NULL,
    vehicles int4,
    flow_veh_h float8,
    speed_kmh float8,
    occupancy_pct float8,
    density_veh_km float8,
    level_of_service text,
    readings int4 NOT NULL,
    coverage float8 NOT NULL,
    moto int4,
    light int4,
    heavy int4,
    PRIMARY KEY (station, lane, window_start)
);

CREATE TABLE traffic_station_1m (
    station text COLLATE "C" NOT NULL,
    window_start timestamptz NOT NULL,
    corridor text NOT NULL,
    revision int4 NOT NULL,
    vehicles int4,
    flow_veh_h float8,
    speed_kmh float8,
    occupancy_pct float8,
    density_veh_km float8,
    level_of_service text,
    readings int4 NOT NULL,
    coverage float8 NOT NULL,
    moto int4,
    light int4,
    heavy int4,
    lanes int2 NOT NULL,
    PRIMARY KEY (station, window_start)
);

CREATE TABLE traffic_reading (
    station text COLLATE "C" NOT NULL,
    lane int2 NOT NULL,
    observed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    corridor text NOT NULL,
    interval_s float8 NOT NULL,
    vehicles int4,
    occupancy_pct float8,
    speed_kmh float8,
    moto int4,
    light int4,
    heavy int4,
    PRIMARY KEY (station, lane, observed_at)
);

CREATE TABLE alarm_event (
    alarm text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL,
    state text COLLATE "C" NOT NULL,
    source text NOT NULL,
    place text NOT NULL,
    condition text NOT NULL,
    priority text NOT NULL,
    raised_at timestamptz NOT NULL,
    detail_vi text NOT NULL,
    detail_en text NOT NULL,
    PRIMARY KEY (alarm, state, changed_at)
);

CREATE TABLE correction (
    source text COLLATE "C" NOT NULL,
    window_s int4 NOT NULL,
    window_start timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    revision int4 NOT NULL,
    rows int4 NOT NULL,
    lateness_s float8 NOT NULL,
    PRIMARY KEY (source, window_s, window_start, observed_at, revision)
);

CREATE TABLE dead_letter (
    topic text COLLATE "C" NOT NULL,
    kafka_partition int4 NOT NULL,
    kafka_offset int8 NOT NULL,
    logged_at timestamptz NOT NULL,
    reason text COLLATE "C" NOT NULL,
    path text NOT NULL,
    detail text NOT NULL,
    rows int4 NOT NULL,
    size_bytes int4 NOT NULL,
    sha256 text NOT NULL,
    payload text NOT NULL,
    key text NOT NULL,
    PRIMARY KEY (topic, kafka_partition, kafka_offset, reason, logged_at)
);

SELECT create_hypertable('zone_occupancy_10s', by_range('window_start', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('zone_occupancy_1m', by_range('window_start', INTERVAL '7 days'), create_default_indexes => false);
SELECT create_hypertable('line_crossing_1m', by_range('window_start', INTERVAL '30 days'), create_default_indexes => false);
SELECT create_hypertable('camera_health', by_range('observed_at', INTERVAL '30 days'), create_default_indexes => false);
SELECT create_hypertable('traffic_lane_1m', by_range('window_start', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('traffic_station_1m', by_range('window_start', INTERVAL '7 days'), create_default_indexes => false);
SELECT create_hypertable('traffic_reading', by_range('observed_at', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('alarm_event', by_range('changed_at', INTERVAL '30 days'), create_default_indexes => false);
SELECT create_hypertable('correction', by_range('window_start', INTERVAL '30 days'), create_default_indexes => false);
SELECT create_hypertable('dead_letter', by_range('logged_at', INTERVAL '30 days'), create_default_indexes => false);

-- Boards ask for everything in a time range, whatever the key begins with. Lanes and readings have no such index: they
-- are many, are read through their station, and are divided into days anyway.
CREATE INDEX zone_occupancy_10s_time ON zone_occupancy_10s (window_start DESC);
CREATE INDEX zone_occupancy_1m_time ON zone_occupancy_1m (window_start DESC);
CREATE INDEX line_crossing_1m_time ON line_crossing_1m (window_start DESC);
CREATE INDEX camera_health_time ON camera_health (observed_at DESC);
CREATE INDEX traffic_station_1m_time ON traffic_station_1m (window_start DESC);
CREATE INDEX alarm_event_time ON alarm_event (changed_at DESC);
CREATE INDEX correction_time ON correction (window_start DESC);
CREATE INDEX dead_letter_time ON dead_letter (logged_at DESC);

-- How long rows are kept in the live namespace; rollups are kept for ever.
CREATE TABLE retention (
    table_name text PRIMARY KEY,
    keep interval NOT NULL
);
INSERT INTO retention (table_name, keep) VALUES
    ('zone_occupancy_10s', '30 days'),
    ('zone_occupancy_1m', '400 days'),
    ('line_crossing_1m', '400 days'),
    ('camera_health', '400 days'),
    ('traffic_lane_1m', '400 days'),
    ('traffic_station_1m', '400 days'),
    ('traffic_reading', '30 days'),
    ('alarm_event', '1830 days'),
    ('correction', '400 days'),
    ('dead_letter', '90 days');
