-- publish: put a policy in force; its revision grows only with another content.
-- KEYS[1]  the policy
-- ARGV     1 content, 2 the revision that the publisher knew
-- returns  the revision
local was = redis.call('HMGET', KEYS[1], 'content', 'revision')
local revision = tonumber(was[2] or 0)
if was[1] ~= ARGV[1] then
  revision = math.max(revision, tonumber(ARGV[2])) + 1
  redis.call('HSET', KEYS[1], 'content', ARGV[1], 'revision', revision)
end
return revision
