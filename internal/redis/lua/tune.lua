-- tune: change what is tuned, unless somebody else has done so meanwhile, and note it.
-- KEYS[1]  the tunings
-- KEYS[2]  the audit
-- ARGV     1 the revision that was seen, 2 nonce of this call, 3 channel, 4 how many audit entries to keep, 5 how many
--          tunings go, 6 how many are set, then the fields that go, field, tuning, … of those set, and the audit entries
-- returns  the new revision; -1 when the one that was seen is of the past
local seen, nonce, channel, keep = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local was = redis.call('HMGET', KEYS[1], 'revision', 'nonce')
local revision = tonumber(was[1] or 0)
if was[2] == nonce then -- asked once more, since the answer got lost
  return revision
elseif revision ~= seen then
  return -1
end

local position = 6
local function take()
  position = position + 1
  return ARGV[position]
end

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
revision = revision + 1
redis.call('HSET', KEYS[1], 'revision', revision, 'nonce', nonce)
for _ = 1, tonumber(ARGV[5]) do
  redis.call('HDEL', KEYS[1], take())
end
for i = 1, tonumber(ARGV[6]) do
  local field, tuning = take(), take()
  redis.call('HSET', KEYS[1], field, string.format('%.0f %d %.0f ', revision, i, now) .. tuning)
end
while position < #ARGV do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', keep, '*', 'entry', take())
end
redis.call('PUBLISH', channel, revision)
return revision
