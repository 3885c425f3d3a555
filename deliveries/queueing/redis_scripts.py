"""Lua scripts: each is one atomic step of the wake-up protocol (docs/adr/0021).

Keys, under REDIS_PREFIX:

    ready        set of webhook ids with something due
    bell         list; an entry wakes one dispatcher that waits for it
    dispatchers  sorted set, dispatcher id → last heartbeat (Redis time, ms): those on duty
    awake        sorted set, dispatcher id → last TAKE that brought something: it takes again without being rung for
    called       sorted set, call id → when a Celery task was enqueued that has not begun yet
    workers      sorted set, process id → last heartbeat

All of it can be lost at any time: the database is the truth, and the scheduler's sweep writes `ready` anew.
"""

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""

_ADD = """
local function add(key, ids, first)
  local new = 0
  for i = first, #ids, 1000 do
    new = new + redis.call('SADD', key, unpack(ids, i, math.min(i + 999, #ids)))
  end
  return new
end
local function ring(bell)
  if redis.call('LLEN', bell) < 8 then redis.call('LPUSH', bell, 1) end
end
"""

_AWAKE = """
local function awake(key, attentive)
  return redis.call('ZCOUNT', key, now - tonumber(attentive), '+inf')
end
"""

WAKE = f"""{_NOW}{_ADD}{_AWAKE}
-- KEYS ready bell dispatchers called awake workers
-- ARGV stale call_life call_life_without_workers call_id tasks_max attentive ids…
-- Marks webhooks ready, then looks who is on duty: a dispatcher that leaves looks in the other order. The bell is for
-- those that wait: it is silent while one is awake, which takes what is ready with its next TAKE.
-- Returns how many Celery tasks to enqueue: none while a dispatcher is on duty; else one for each webhook that was not
-- ready before (its task is on its way) while no more than tasks_max are on their way, and at least one where none is:
-- whoever comes on duty takes all that is ready, and a backlog of thousands needs no message each. While no worker
-- process lives that could begin with a task, those on their way stay so for longer: hours without workers would
-- otherwise leave a message for nearly each event, and each costs a worker more than a delivery does.
local since = now - tonumber(ARGV[1])
local new = add(KEYS[1], ARGV, 7)
if redis.call('ZCOUNT', KEYS[3], since, '+inf') > 0 then
  if awake(KEYS[5], ARGV[6]) == 0 then ring(KEYS[2]) end
  return 0
end
local life = redis.call('ZCOUNT', KEYS[6], since, '+inf') > 0 and ARGV[2] or ARGV[3]
local called = redis.call('ZCOUNT', KEYS[4], now - tonumber(life), '+inf')
local n = math.max(0, math.min(new, tonumber(ARGV[5]) - called))
if n == 0 and called == 0 then n = 1 end
if n > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - tonumber(life)) end
for i = 1, n do redis.call('ZADD', KEYS[4], now, ARGV[4] .. ':' .. i) end
return n
"""

CALL = f"""{_NOW}
-- KEYS dispatchers called workers; ARGV stale call_life call_id
-- Returns {{how many to call, how many others there are}}: 1 to call when one more dispatcher has room in a worker
-- process, by a Celery task; others are on duty, or called and to come.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]))
local since = now - tonumber(ARGV[1])
local on = redis.call('ZCOUNT', KEYS[1], since, '+inf') + redis.call('ZCARD', KEYS[2])
if on >= math.max(1, redis.call('ZCOUNT', KEYS[3], since, '+inf')) then return {{0, on - 1}} end
redis.call('ZADD', KEYS[2], now, ARGV[3])
return {{1, on}}
"""

ARRIVE = f"""{_NOW}{_ADD}
-- KEYS ready bell dispatchers called; ARGV dispatcher_id (or '' where the process has one on duty) ids…
-- A Celery task has arrived: its call is answered, its webhooks are ready, and its dispatcher is on duty. A successor's
-- task may arrive where a dispatcher is on duty while another, rung for long ago, waits: so the bell rings for whatever
-- is ready, not only for what the task names.
redis.call('ZPOPMIN', KEYS[4])
add(KEYS[1], ARGV, 2)
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[3], now, ARGV[1])
elseif redis.call('SCARD', KEYS[1]) > 0 then ring(KEYS[2]) end
return 1
"""

TAKE = f"""{_NOW}{_AWAKE}
-- KEYS ready bell dispatchers awake; ARGV dispatcher_id limit attentive saturated
-- Returns {{left, webhook ids…}}. The bell is silenced once nothing is ready, or another takes it.
-- One dispatcher that keeps up does it all: what it claims and records together costs a fraction of what two would
-- split. So while another is awake this one takes nothing and waits, unless it is saturated: then it doesn't count as
-- awake, the bell rings for others, and both take.
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
local taken = {{}}
if ARGV[4] == '1' or awake(KEYS[4], ARGV[3]) == 0 then taken = redis.call('SPOP', KEYS[1], tonumber(ARGV[2])) end
if #taken > 0 and ARGV[4] == '0' then redis.call('ZADD', KEYS[4], now, ARGV[1]) end
local left = #taken == 0 and 0 or redis.call('SCARD', KEYS[1])
if left == 0 then redis.call('DEL', KEYS[2]) end
table.insert(taken, 1, left)
return taken
"""

REST = f"""{_ADD}
-- KEYS ready bell awake; ARGV dispatcher_id
-- A dispatcher that takes nothing for a while, though it would: others are rung for what is ready, and from now on.
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('SCARD', KEYS[1]) > 0 then ring(KEYS[2]) end
return 1
"""

LEAVE = """
-- KEYS ready dispatchers awake; ARGV dispatcher_id
-- Off duty first, then a look: a wake-up that saw this dispatcher on duty had marked its webhook ready before.
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('SCARD', KEYS[1])
"""

GIVE_BACK = f"""{_NOW}{_ADD}{_AWAKE}
-- KEYS ready bell awake; ARGV attentive ids…: for the dispatcher that takes next, this or another.
add(KEYS[1], ARGV, 2)
if awake(KEYS[3], ARGV[1]) == 0 then ring(KEYS[2]) end
return 1
"""

HEARTBEAT = f"""{_NOW}
-- KEYS dispatchers workers; ARGV worker_id or '', dispatcher ids…
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[2], now, ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 60000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now, ARGV[i]) end
return now
"""
