-- create: make a job's record unless there is one.
-- KEYS[1]  the job's hash
-- ARGV     field, value, … of the record
-- returns  1 when it was made
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
