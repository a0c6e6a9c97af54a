#!/usr/bin/env bash
# Wall time of `ingestd load` of a clean file of e-commerce events into an empty, indexed table, beside
# `psql \copy` of the same file into the same table, in turn, on the same server; prints the medians
# and their ratio. The server is a fresh one with PostgreSQL's default settings, removed at the end.
#
#   cargo build --release && benches/load_vs_copy.sh [ROWS] [ROUNDS]
set -euo pipefail
rows=${1:-1000000} rounds=${2:-5}
ingestd=$(cd "$(dirname "$0")/.." && pwd)/target/release/ingestd
bin=$(pg_config --bindir 2>/dev/null || ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
dir=$(mktemp -d)
chmod 755 "$dir"

server() { # as another user where we are root
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}
stop() { server "$bin/pg_ctl" -D "$dir/cluster" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"; }
trap stop EXIT

mkdir "$dir/cluster" && if [ "$(id -u)" = 0 ]; then chown postgres "$dir/cluster"; fi
server "$bin/initdb" -D "$dir/cluster" -U bench -A trust -E UTF8 --locale=C >/dev/null
server "$bin/pg_ctl" -D "$dir/cluster" -w -l "$dir/cluster/log" \
  -o "-c listen_addresses='' -c unix_socket_directories='$dir/cluster'" start >/dev/null
export PGHOST=$dir/cluster PGUSER=bench PGDATABASE=bench
createdb bench
url="host=$PGHOST user=bench dbname=bench"

"$ingestd" generate --out "$dir/files" --rows "$rows" --rows-per-file "$rows" --seed 1
file=$(ls "$dir"/files/*.csv)
columns=event_id,event_time,event_type,user_id,product_id,category,session_id,price,quantity

table() {
  psql -q -v ON_ERROR_STOP=1 <<'SQL'
set client_min_messages = error;
drop table if exists raw_events;
drop schema if exists ingestd cascade;
create table raw_events (event_id uuid primary key, event_time timestamptz not null, event_type text,
  user_id text, product_id text, category text, session_id text, price numeric(10,2), quantity int);
create index on raw_events (event_time);
create index on raw_events (event_type);
create index on raw_events (user_id);
checkpoint;
SQL
}
timed() { local start end; start=$(date +%s%N); "$@" >"$dir/out" 2>&1 || { cat "$dir/out"; exit 1; }; end=$(date +%s%N); echo $(( (end - start) / 1000000 )); }
copy() { psql -q -v ON_ERROR_STOP=1 -c "\\copy raw_events ($columns) from '$file' csv header"; }
load() { "$ingestd" load "$file" --table raw_events --key event_id --database-url "$url"; }
check() { [ "$(psql -Atc 'select count(*) from raw_events')" = "$rows" ] || { echo "rows are missing"; exit 1; }; }
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

for round in $(seq "$rounds"); do
  table; copy_ms=$(timed copy); check
  table; load_ms=$(timed load); check
  echo "$copy_ms" >>"$dir/copy"; echo "$load_ms" >>"$dir/load"
  echo "round $round: psql \\copy $copy_ms ms, ingestd load $load_ms ms"
done
copy_ms=$(median <"$dir/copy") load_ms=$(median <"$dir/load")
echo "median of $rounds, $rows rows: psql \\copy $copy_ms ms, ingestd load $load_ms ms," \
  "ratio $(awk "BEGIN {printf \"%.2f\", $copy_ms / $load_ms}") of its rows a second"
