-- close: note how a run ended.
-- KEYS[1]  the job's hash
-- ARGV     1 channel, 2 token (0: it ran without a claim), 3 new state, 4 how long ago it ended ms, 5 keep ms,
--          6 attempts by the claim, or attempt by the message, 7 how long it ran ms, 8 nonce of a claim that was asked for and not heard of
--          ('': none). Then field, value, … to set
-- returns  {answer, state before, lane}; the answer is ok, lost, cancelled, or absent when there is no record, or one that knows
--          nothing of this claim
local key, channel, token, to = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local was = redis.call('HMGET', key, 'state', 'token', 'lane', 'attempts', 'lease', 'nonce', 'lapsed')
local state, attempts, theirs = was[1], tonumber(was[4] or 0), tonumber(was[2] or 0)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ended = now - tonumber(ARGV[4])

local function answer(word)
  return {word, state or '', was[3] or ''}
end

if not state then
  return answer('absent')
elseif state == 'cancelled' then
  if to == 'cancelled' and was[2] == token then -- nothing of it runs any more
    if redis.call('HDEL', key, 'lease') == 1 then
      redis.call('PUBLISH', channel, redis.call('HINCRBY', key, 'moves', 1))
    end
    return answer('ok')
  elseif to ~= 'completed' or (token ~= '0' and theirs > tonumber(token)) then
    return answer('cancelled')
  end -- too late to call it off: its output is visible
elseif token ~= '0' then
  if theirs < tonumber(token) or was[2] == token and was[7] then
    return answer('absent')
  elseif was[2] ~= token then
    return answer('lost')
  elseif state == to then
    return answer('ok') -- told once more, since the answer got lost
  elseif state ~= 'running' then
    return answer('lost')
  end
elseif state == 'completed' or state == 'dead' then
  return answer('ok') -- it has an end already
elseif to ~= 'completed' and state == 'running' and tonumber(was[5] or 0) > now and was[6] ~= ARGV[8] then
  return answer('ok') -- somebody else runs it with a claim: what becomes of that counts
end
attempts = math.max(attempts, tonumber(ARGV[6]))
redis.call('HSETNX', key, 'started', ended - tonumber(ARGV[7]))

redis.call('HSET', key, 'state', to, 'attempts', attempts)
redis.call('HDEL', key, 'lease', 'nonce', 'next', 'reason', 'lapsed')
leave(key, state, was[3])
if #ARGV > 8 then
  redis.call('HSET', key, unpack(ARGV, 9))
end
if to == 'completed' or to == 'dead' or to == 'cancelled' then
  redis.call('HSET', key, 'ended', ended)
  redis.call('PEXPIRE', key, ARGV[5])
elseif to == 'queued' then
  redis.call('HSET', key, 'attempts', math.max(0, attempts - 1))
  redis.call('HDEL', key, 'progress')
  enter(key, now)
end
redis.call('PUBLISH', channel, redis.call('HINCRBY', key, 'moves', 1))
return answer('ok')
