export const TPCC_SCHEMA = `
  create table warehouse (w_id int primary key, w_name text, w_tax numeric, w_ytd numeric, w_street_1 text, w_city text, w_state text, w_zip text);
  create table district (d_w_id int, d_id int, d_name text, d_tax numeric, d_ytd numeric, d_next_o_id int, d_street_1 text, d_city text, primary key (d_w_id, d_id));
  create table customer (c_w_id int, c_d_id int, c_id int, c_first text, c_middle text, c_last text, c_balance numeric, c_credit text, c_discount numeric, c_data text, c_ytd_payment numeric, c_payment_cnt int, c_delivery_cnt int, primary key (c_w_id, c_d_id, c_id));
  create table history (h_c_id int, h_c_d_id int, h_c_w_id int, h_d_id int, h_w_id int, h_date timestamp, h_amount numeric, h_data text);
  create table new_order (no_w_id int, no_d_id int, no_o_id int, primary key (no_w_id, no_d_id, no_o_id));
  create table orders (o_w_id int, o_d_id int, o_id int, o_c_id int, o_entry_d timestamp, o_carrier_id int, o_ol_cnt int, o_all_local int, primary key (o_w_id, o_d_id, o_id));
  create table order_line (ol_w_id int, ol_d_id int, ol_o_id int, ol_number int, ol_i_id int, ol_supply_w_id int, ol_delivery_d timestamp, ol_quantity int, ol_amount numeric, ol_dist_info text);
  create table item (i_id int primary key, i_name text, i_price numeric, i_data text);
  create table stock (s_w_id int, s_i_id int, s_quantity int, s_dist_01 text, s_ytd int, s_order_cnt int, s_remote_cnt int, s_data text, primary key (s_w_id, s_i_id));
  insert into warehouse values (1, 'w', 0.1, 0, 's', 'c', 'st', 'z');
  insert into district select 1, i, 'd', 0.1, 0, 11, 's', 'c' from generate_series(1, 10) i;
  insert into customer select 1, 1 + i % 10, i, 'f' || i, 'OE', 'BARBARBAR', 10, 'GC', 0.1, '', 0, 0, 0 from generate_series(1, 100) i;
  insert into orders select 1, 1 + i % 10, i, i, now(), null, 5, 1 from generate_series(1, 100) i;
  insert into new_order select o_w_id, o_d_id, o_id from orders where o_id > 50;
  insert into order_line select 1, 1 + i % 10, i, n, n, 1, null, 5, 10, '' from generate_series(1, 100) i, generate_series(1, 5) n;
  insert into item select i, 'i' || i, i, '' from generate_series(1, 100) i;
  insert into stock select 1, i, 10 + i % 90, '', 0, 0, 0, '' from generate_series(1, 100) i;
`

export const TPCC_TEXTS: readonly string[] = [
  // new order
  'BEGIN',
  'SELECT c_discount, c_last, c_credit, w_tax FROM customer, warehouse WHERE w_id = 1 AND c_w_id = w_id AND c_d_id = 3 AND c_id = 2',
  'SELECT d_next_o_id, d_tax FROM district WHERE d_id = 3 AND d_w_id = 1 FOR UPDATE',
  'SELECT d_next_o_id, d_tax FROM district WHERE d_id = 3 AND d_w_id = 1',
  'UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_id = 3 AND d_w_id = 1 RETURNING d_next_o_id, d_tax',
  'INSERT INTO orders (o_id, o_d_id, o_w_id, o_c_id, o_entry_d, o_ol_cnt, o_all_local) VALUES (501, 3, 1, 2, CURRENT_TIMESTAMP, 5, 1)',
  'INSERT INTO new_order (no_o_id, no_d_id, no_w_id) VALUES (501, 3, 1)',
  'SELECT i_price, i_name, i_data FROM item WHERE i_id = 7',
  'SELECT s_quantity, s_data, s_dist_01 FROM stock WHERE s_i_id = 7 AND s_w_id = 1 FOR UPDATE',
  'UPDATE stock SET s_quantity = CASE WHEN s_quantity >= 15 THEN s_quantity - 5 ELSE s_quantity + 86 END, s_ytd = s_ytd + 5 WHERE s_i_id = 7 AND s_w_id = 1',
  "INSERT INTO order_line (ol_o_id, ol_d_id, ol_w_id, ol_number, ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_dist_info) VALUES (501, 3, 1, 1, 7, 1, 5, 35, 'x')",
  'COMMIT',
  // payment
  'UPDATE warehouse SET w_ytd = w_ytd + 12.5 WHERE w_id = 1',
  'SELECT w_street_1, w_city, w_state, w_zip, w_name FROM warehouse WHERE w_id = 1',
  'UPDATE district SET d_ytd = d_ytd + 12.5 WHERE d_w_id = 1 AND d_id = 3',
  "SELECT count(c_id) FROM customer WHERE c_last = 'BARBARBAR' AND c_d_id = 3 AND c_w_id = 1",
  "SELECT c_first, c_middle, c_id, c_balance FROM customer WHERE c_w_id = 1 AND c_d_id = 3 AND c_last = 'BARBARBAR' ORDER BY c_first",
  'SELECT c_data FROM customer WHERE c_w_id = 1 AND c_d_id = 3 AND c_id = 2 FOR UPDATE',
  'UPDATE customer SET c_balance = c_balance - 12.5, c_ytd_payment = c_ytd_payment + 12.5, c_payment_cnt = c_payment_cnt + 1 WHERE c_w_id = 1 AND c_d_id = 3 AND c_id = 2',
  "INSERT INTO history (h_c_d_id, h_c_w_id, h_c_id, h_d_id, h_w_id, h_date, h_amount, h_data) VALUES (3, 1, 2, 3, 1, CURRENT_TIMESTAMP, 12.5, 'x')",
  // order status
  'SELECT c_balance, c_first, c_middle, c_last FROM customer WHERE c_w_id = 1 AND c_d_id = 3 AND c_id = 2',
  'SELECT o_id, o_carrier_id, o_entry_d FROM orders WHERE o_w_id = 1 AND o_d_id = 3 AND o_c_id = 2 ORDER BY o_id DESC LIMIT 1',
  'SELECT o_id, o_entry_d, coalesce(o_carrier_id, 0) FROM orders WHERE o_w_id = 1 AND o_d_id = 3 AND o_c_id = 2 AND o_id = (SELECT max(o_id) FROM orders WHERE o_w_id = 1 AND o_d_id = 3 AND o_c_id = 2)',
  'SELECT ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_delivery_d FROM order_line WHERE ol_o_id = 12 AND ol_d_id = 3 AND ol_w_id = 1',
  // delivery
  'SELECT no_o_id FROM new_order WHERE no_d_id = 3 AND no_w_id = 1 ORDER BY no_o_id ASC LIMIT 1 FOR UPDATE SKIP LOCKED',
  'DELETE FROM new_order WHERE no_o_id = 52 AND no_d_id = 3 AND no_w_id = 1',
  'DELETE FROM new_order WHERE ctid IN (SELECT ctid FROM new_order WHERE no_d_id = 4 AND no_w_id = 1 ORDER BY no_o_id LIMIT 1) RETURNING no_o_id',
  'SELECT o_c_id FROM orders WHERE o_id = 52 AND o_d_id = 3 AND o_w_id = 1',
  'UPDATE orders SET o_carrier_id = 4 WHERE o_id = 52 AND o_d_id = 3 AND o_w_id = 1',
  'UPDATE order_line SET ol_delivery_d = CURRENT_TIMESTAMP WHERE ol_o_id = 52 AND ol_d_id = 3 AND ol_w_id = 1',
  'SELECT sum(ol_amount) FROM order_line WHERE ol_o_id = 52 AND ol_d_id = 3 AND ol_w_id = 1',
  'UPDATE customer SET c_balance = c_balance + 50, c_delivery_cnt = c_delivery_cnt + 1 WHERE c_id = 52 AND c_d_id = 3 AND c_w_id = 1',
  // stock level
  'SELECT d_next_o_id FROM district WHERE d_w_id = 1 AND d_id = 3',
  'SELECT count(DISTINCT s_i_id) FROM order_line, stock WHERE ol_w_id = 1 AND ol_d_id = 3 AND ol_o_id < 120 AND ol_o_id >= 100 - 20 AND s_w_id = 1 AND s_i_id = ol_i_id AND s_quantity < 20',
  'ROLLBACK',
]
