-- restore: put tunings back that Redis has lost, unless there have been others since.
-- KEYS[1]  the tunings
-- ARGV     1 their new revision, 2 nonce of this call, 3 channel, then field, what tune would write, …
-- returns  1 when they are back
local was = redis.call('HMGET', KEYS[1], 'revision', 'nonce')
if was[2] == ARGV[2] then -- asked once more, since the answer got lost
  return 1
elseif was[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'revision', ARGV[1], 'nonce', ARGV[2], unpack(ARGV, 4))
redis.call('PUBLISH', ARGV[3], ARGV[1])
return 1
