-- claim: give one worker the right to run the job.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 nonce of this call, 3 worker, 4 lease ms, 5 max crashes, 6 copy number, 7 attempt by the message,
--          8 lane, 9 readyAt ms (0: unknown), 10 priority in the lane, then field, value, … of the record, should there be none
-- returns  {answer, token, attempts, crashes, state before ('' for none), lane before, 1 when nobody has started it before, reason, error}; the
--          answer is one of lanes.ClaimState, reason and error are those that a dead job died of
local key, channel, nonce, worker = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local lease, maxCrashes, replay, attempt = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local lane, ready = ARGV[8], tonumber(ARGV[9])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local was = redis.call('HMGET', key, 'state', 'lane', 'token', 'attempts', 'crashes', 'replay', 'lease', 'nonce', 'started', 'reason', 'error', 'ready', 'next', 'lapsed')
local state, started = was[1], was[9]
-- A token is the time in microseconds, or one more than the last: a claim has a higher one than all that were granted before it, also when Redis has
-- lost those.
local token, nextToken = tonumber(was[3] or 0), math.max(tonumber(was[3] or 0) + 1, t[1] * 1000000 + t[2])
local lapsed = state == 'queued' and was[14] -- its worker vanished, and the leader has put it into its lane again
local attempts = tonumber(was[4] or attempt - 1)
local crashes, known = tonumber(was[5] or 0), tonumber(was[6] or 0)

local function answer(word)
  redis.call('ZREM', skipsKey .. lane, idOf(key) .. '/' .. replay) -- it has come up
  return {word, token, attempts, crashes, state or '', was[2] or '', started and 0 or 1, was[10] or '', was[11] or ''}
end

if not state then
  redis.call('HSET', key, unpack(ARGV, 11))
elseif state ~= 'dead' and replay < known then -- a fresh copy of the message carries it
  return answer('settled')
elseif state == 'running' or lapsed then
  if was[8] == nonce then -- asked once more, since the answer got lost
    return answer(was[7] and 'granted' or 'poison')
  end
  if tonumber(was[7] or 0) > now then
    return answer('held')
  end
  crashes = crashes + 1
  if crashes >= maxCrashes then
    token = nextToken -- shuts the last worker out, should it live on, and lets this one close the record
    leave(key, state, was[2])
    redis.call('HSET', key, 'state', 'running', 'token', token, 'crashes', crashes, 'nonce', nonce)
    redis.call('HDEL', key, 'lease', 'lapsed')
    run(key, now)
    return answer('poison')
  end
elseif state == 'dead' or state == 'cancelled' then -- a copy that is faster than its ledger entry brings it back
  if replay <= known then
    return answer(state == 'dead' and 'buried' or 'settled')
  end
  attempts, crashes, started = attempt - 1, 0, nil
  redis.call('HDEL', key, 'started', 'wait', 'outputs', 'warnings')
  redis.call('PERSIST', key)
elseif state ~= 'queued' and state ~= 'retrying' and state ~= 'missing' then
  return answer('settled')
end

token = nextToken
attempts = attempts + 1
redis.call('HSET', key, 'state', 'running', 'lane', lane, 'token', token, 'attempts', attempts, 'crashes', crashes,
  'replay', math.max(replay, known), 'worker', worker, 'nonce', nonce, 'lease', now + lease)
attemptIs(key, attempt)
redis.call('HDEL', key, 'next', 'progress', 'reason', 'ended', 'lapsed')
if state then
  leave(key, state, was[2])
end
run(key, now)
if state and replay > known then -- a copy that is faster than its ledger entry
  skips(key, state, was[2], known, was[12], was[13])
end
if ready > 0 then
  redis.call('HSET', key, 'ready', ready)
end
if not started then
  redis.call('HSET', key, 'started', now)
  if ready > 0 then
    redis.call('HSET', key, 'wait', math.max(0, now - ready))
  end
end
if ARGV[10] == '0' then
  redis.call('HDEL', key, 'priority')
else
  redis.call('HSET', key, 'priority', ARGV[10])
end
redis.call('PUBLISH', channel, redis.call('HINCRBY', key, 'moves', 1))
return answer('granted')
