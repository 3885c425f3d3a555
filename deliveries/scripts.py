"""The Lua scripts of the blackboard: each is one atomic step of the wake/shift protocol.

What they keep, under REDIS_PREFIX, once for the fast and once for the slow queue:

    ready    set of webhook ids with something due
    shifts   sorted set, shift id → last heartbeat (Redis time, ms)
    called   sorted set, call id → when a wake-up was enqueued and no shift has begun for it yet
    workers  sorted set, process id → last heartbeat

and `slow`, a sorted set, webhook id → until when its lane counts as slow. All of it can be lost at any time: the
database is the truth and the pacemaker writes `ready` anew. docs/adr/0002 has the interleavings.
"""

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""

_ROOM = """
local function room(shifts, called, workers, per_worker, stale, call_life)
  redis.call('ZREMRANGEBYSCORE', called, '-inf', now - call_life)
  local on = redis.call('ZCOUNT', shifts, now - stale, '+inf') + redis.call('ZCARD', called)
  local live = redis.call('ZCOUNT', workers, now - stale, '+inf')
  return math.max(1, live) * per_worker - on
end
local function add(key, ids, first)
  for i = first, #ids, 1000 do
    redis.call('SADD', key, unpack(ids, i, math.min(i + 999, #ids)))
  end
end
"""

WAKE = f"""{_NOW}{_ROOM}
-- KEYS ready shifts called workers; ARGV per_worker stale call_life call_id wanted ids…
-- Marks lanes ready, then counts: the shift that ends looks in the other order (unregister, then look).
add(KEYS[1], ARGV, 6)
local free = room(KEYS[2], KEYS[3], KEYS[4], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
local n = math.min(free, tonumber(ARGV[5]))
for i = 1, n do redis.call('ZADD', KEYS[3], now, ARGV[4] .. ':' .. i) end
return math.max(0, n)
"""

BEGIN = f"""{_NOW}{_ROOM}
-- KEYS ready shifts called workers; ARGV per_worker stale call_life shift_id ids…
-- A wake-up has arrived: its call is answered, its lanes are ready. Returns 1 for a new shift, 0 when enough are on.
redis.call('ZPOPMIN', KEYS[3])
add(KEYS[1], ARGV, 5)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]))
local live = redis.call('ZCOUNT', KEYS[4], now - tonumber(ARGV[2]), '+inf')
if redis.call('ZCARD', KEYS[2]) >= math.max(1, live) * tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[2], now, ARGV[4])
return 1
"""

TAKE = f"""{_NOW}
-- KEYS ready shifts slow ready:slow workers:slow; ARGV shift_id limit stale is_slow
-- Returns {{left, diverted, lanes…}}. A fast shift leaves slow lanes to the slow workers, if there are any.
redis.call('ZADD', KEYS[2], now, ARGV[1])
local popped = redis.call('SPOP', KEYS[1], tonumber(ARGV[2]))
local answer = {{redis.call('SCARD', KEYS[1]), 0}}
local divert = ARGV[4] == '0' and #popped > 0 and redis.call('ZCOUNT', KEYS[5], now - tonumber(ARGV[3]), '+inf') > 0
for _, lane in ipairs(popped) do
  local until_ = divert and redis.call('ZSCORE', KEYS[3], lane)
  if until_ and tonumber(until_) > now then
    redis.call('SADD', KEYS[4], lane)
    answer[2] = answer[2] + 1
  else
    answer[#answer + 1] = lane
  end
end
return answer
"""

END = """
-- KEYS ready shifts; ARGV shift_id. Unregister first, then look: a wake that saw this shift had marked its lane before.
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('SCARD', KEYS[1])
"""

BEAT = f"""{_NOW}
-- KEYS shifts workers; ARGV worker_id or '' , shift ids…
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[2], now, ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now, ARGV[i]) end
return now
"""

MARK_SLOW = f"""{_NOW}
-- KEYS slow; ARGV for_ms ids…
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + tonumber(ARGV[1]), ARGV[i]) end
return 0
"""
