-- answer: end the claim to a request's key, unless another request has it by now.
-- KEYS[1]  the key
-- ARGV     1 the claim, 2 the answer or "" for none, 3 how long it is kept, in ms
local has = redis.call('GET', KEYS[1])
if has and has ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  return redis.call('DEL', KEYS[1])
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
