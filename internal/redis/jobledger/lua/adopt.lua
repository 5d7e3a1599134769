-- adopt: give the record of a job the claim that it was granted, when Redis has lost the writes which told of it. A job without a record gets one.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 token, 3 attempts, 4 crashes, 5 lease ms, 6 copy number, 7 attempt by the message, 8 lane, 9 worker, 10 how long ago it
--          was claimed ms, then field, value, … of the record, should there be none
-- returns  {answer, state before ('' for none), lane before}; the answer is ok, or newer when the record knows of something newer than this claim
local key, channel, token, replay = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[6])
local was = redis.call('HMGET', key, 'state', 'lane', 'token', 'replay', 'lapsed', 'ready', 'next')
local state, theirs, known = was[1], tonumber(was[3] or 0), tonumber(was[4] or 0)
if theirs > token or known > replay or theirs == token and not was[5] then
  return {'newer', state or '', was[2] or ''}
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

if state then
  leave(key, state, was[2])
  if replay > known then
    skips(key, state, was[2], known, was[6], was[7])
  end
else
  redis.call('HSET', key, unpack(ARGV, 11))
end
if state == 'completed' or state == 'dead' or state == 'cancelled' then
  redis.call('HDEL', key, 'outputs', 'warnings')
  redis.call('PERSIST', key)
end
redis.call('HSET', key, 'state', 'running', 'lane', ARGV[8], 'token', ARGV[2], 'attempts', ARGV[3], 'crashes', ARGV[4],
  'replay', replay, 'worker', ARGV[9], 'lease', now + tonumber(ARGV[5]))
redis.call('HDEL', key, 'next', 'progress', 'reason', 'ended', 'nonce', 'lapsed')
attemptIs(key, tonumber(ARGV[7]))
redis.call('HSETNX', key, 'started', now - tonumber(ARGV[10]))
run(key, now)
redis.call('PUBLISH', channel, redis.call('HINCRBY', key, 'moves', 1))
return {'ok', state or '', was[2] or ''}
