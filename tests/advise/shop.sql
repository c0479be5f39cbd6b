-- A shop of {rows} orders, the same every time: numbers come from hashes, none is random.
CREATE TABLE users (
    id integer PRIMARY KEY, email text NOT NULL, country text NOT NULL, created_at timestamptz NOT NULL, referrer integer
);
INSERT INTO users
SELECT i, 'user' || i || '@example.com', (ARRAY['de', 'fr', 'us', 'gb', 'nl'])[1 + abs(hashint4(i)) % 5],
    timestamptz '2024-01-01' + i * interval '7 min', nullif(abs(hashint4(i + 7)) % ({rows} / 4), 0)
FROM generate_series(1, {rows} / 8) i;

CREATE TABLE products (id integer PRIMARY KEY, sku text NOT NULL, category integer NOT NULL, name text NOT NULL);
INSERT INTO products SELECT i, 'SKU-' || i, abs(hashint4(i)) % 50, 'Product ' || i FROM generate_series(1, {rows} / 40) i;

-- 97 % of the orders are paid, 2 % shipped, 1 % is open in two states.
CREATE TABLE orders (
    id integer PRIMARY KEY, user_id integer NOT NULL, status text NOT NULL, total numeric(10, 2) NOT NULL,
    created_at timestamptz NOT NULL, coupon integer, note text NOT NULL
);
INSERT INTO orders
SELECT i, 1 + abs(hashint4(i)) % ({rows} / 8),
    CASE WHEN h < 970 THEN 'paid' WHEN h < 990 THEN 'shipped' WHEN h < 995 THEN 'pending' ELSE 'failed' END,
    h / 7.0, timestamptz '2024-01-01' + i * interval '1 min', CASE WHEN h = 3 THEN i END, repeat('x', 40)
FROM (SELECT i, abs(hashint4(i + 1000000)) % 1000 AS h FROM generate_series(1, {rows}) i) s;

CREATE TABLE order_items (
    id integer PRIMARY KEY, order_id integer NOT NULL, product_id integer NOT NULL, quantity integer NOT NULL
);
INSERT INTO order_items
SELECT i, 1 + i / 2, 1 + abs(hashint4(i)) % ({rows} / 40), 1 + i % 3 FROM generate_series(1, {rows}) i;

CREATE TABLE events (
    id integer PRIMARY KEY, account integer NOT NULL, kind text NOT NULL, session text NOT NULL, at timestamptz NOT NULL,
    data jsonb NOT NULL
);
INSERT INTO events
SELECT i, abs(hashint4(i)) % 2000, (ARRAY['view', 'click', 'buy'])[1 + abs(hashint4(i + 5)) % 3], md5((i / 4)::text),
    timestamptz '2024-01-01' + i * interval '20 s', jsonb_build_object('n', i % 10)
FROM generate_series(1, {rows}) i;

CREATE TABLE payments (
    id integer PRIMARY KEY, order_id integer NOT NULL, state text NOT NULL, reference text NOT NULL, paid_on date NOT NULL
);
INSERT INTO payments
SELECT i, i, CASE WHEN i % 400 = 0 THEN 'retry' ELSE 'done' END, md5(i::text), date '2024-01-01' + i / 400
FROM generate_series(1, {rows} / 4) i;
CREATE INDEX payments_order ON payments (order_id);

-- Every request writes here, and a report reads it once a day.
CREATE TABLE audit (id integer PRIMARY KEY, actor integer NOT NULL, action text NOT NULL, at timestamptz NOT NULL);
INSERT INTO audit
SELECT i, abs(hashint4(i)) % 5000, 'action' || i % 40, timestamptz '2024-01-01' + i * interval '10 s'
FROM generate_series(1, {rows} / 2) i;

CREATE TABLE settings (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO settings SELECT 'setting' || i, i::text FROM generate_series(1, 60) i;

ANALYZE;
