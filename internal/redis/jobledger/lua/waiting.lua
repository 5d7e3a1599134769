-- waiting: what the scripts that change a job's record have in common: they keep the indexes of waiting and running jobs in line with it, at the same moment.
-- The names of the indexes follow from the record, so they aren't among KEYS: all keys are on one primary.
--   siren:queued:<lane>             sorted set: each queued job of the lane by when it became ready (ms), and by its place among the jobs made in one call
--   siren:queued:<lane>:<priority>  the same, of those with that priority, above 0
--   siren:skips:<lane>              sorted set: each message that will be skipped when it comes up, <id>/<copy number>, by when it is in the lane's queue (ms)
--   siren:missing                   sorted set: each missing job by when it was found missing (ms)
--   siren:running                   sorted set: each running job by when it was claimed last (ms)
local queuedKey, skipsKey, missingKey, runningKey = 'siren:queued:', 'siren:skips:', 'siren:missing', 'siren:running'

local function idOf(key)
  return string.sub(key, 11) -- behind siren:job:
end

-- list puts a queued job into the indexes. It was queued now unless its record says when.
local function list(key, now)
  local is = redis.call('HMGET', key, 'lane', 'priority', 'ready', 'nth')
  local score = (tonumber(is[3]) or now) + (tonumber(is[4]) or 0) / 2048 -- such a fraction of a ms is exact until the year 2100
  redis.call('ZADD', queuedKey .. is[1], score, idOf(key))
  if is[2] then
    redis.call('ZADD', queuedKey .. is[1] .. ':' .. is[2], score, idOf(key))
  end
end

-- enter lists a job that is queued by now, which it has been since now.
local function enter(key, now)
  redis.call('HSET', key, 'since', now)
  list(key, now)
end

-- run lists a job that is claimed now.
local function run(key, now)
  redis.call('ZADD', runningKey, now, idOf(key))
end

-- leave unlists a job that was queued in the lane, running or missing. A missing one's record doesn't expire any more.
local function leave(key, state, lane)
  if state == 'queued' then
    redis.call('ZREM', queuedKey .. (lane or ''), idOf(key))
    local priority = redis.call('HMGET', key, 'priority')[1]
    if priority then
      redis.call('ZREM', queuedKey .. (lane or '') .. ':' .. priority, idOf(key))
    end
  elseif state == 'running' then
    redis.call('ZREM', runningKey, idOf(key))
  elseif state == 'missing' then
    redis.call('ZREM', missingKey, idOf(key))
    redis.call('HDEL', key, 'ended')
    redis.call('PERSIST', key)
  end
end

-- skips notes that the message with that number, which carried a queued or retrying job until now, will be skipped.
local function skips(key, state, lane, replay, ready, due)
  local at = state == 'queued' and ready or state == 'retrying' and due
  if at then
    redis.call('ZADD', skipsKey .. (lane or ''), at, idOf(key) .. '/' .. replay)
  end
end

-- attemptIs notes which attempt the job's message is for, unless it is the first.
local function attemptIs(key, attempt)
  if attempt > 1 then
    redis.call('HSET', key, 'attempt', attempt)
  else
    redis.call('HDEL', key, 'attempt')
  end
end
