-- learn: take in how long the programs of a completed job computed (effort.Model.Learn).
-- KEYS[1]  the book: what is known of each class
-- ARGV     1 class, 2 units, 3 seconds computed, 4 cores used, 5 share of what is known that stays, 6 of cores, 7 how long the book is kept unless more is learnt, ms
-- returns  what is known of the class now
local x, y, cores, keep, keepCores = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local was = {}
for v in string.gmatch(redis.call('HMGET', KEYS[1], ARGV[1])[1] or '', '%S+') do
  was[#was + 1] = tonumber(v) or 0
end
local is = {1, x, y, x * x, x * y}
for i = 1, 5 do
  is[i] = is[i] + keep * (was[i] or 0)
end
is[6] = math.max(cores, keepCores * (was[6] or 0) + (1 - keepCores) * cores)
for i = 1, 6 do
  is[i] = string.format('%.9g', is[i])
end
local text = table.concat(is, ' ')
redis.call('HSET', KEYS[1], ARGV[1], text)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return text
