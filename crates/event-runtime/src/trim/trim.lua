-- Removes the oldest entries of a stream that nobody needs any more, in one step: nobody reads or joins meanwhile.
--
-- KEYS[1]  the stream
-- ARGV[1]  the last sequence number that may go, by what consumers have made durable
-- ARGV[2]  how many entries may go at most, about
-- ARGV[3]  1 to do it, 0 to say what would be done
-- ARGV[4]  how many groups have to exist
-- ARGV[5]… their names, then those of groups that are ignored
--
-- Returns a word, and what it is about:
--   trimmed, number of entries that went, the group in Redis that holds back what ARGV[1] allows or '', the first sequence
--     number left or '', and what may go: a sequence number, and 1 if it is the last one that may or 0 if it has to stay
--   missing, name of a group that has to exist and does not
--   absent: there is no stream
--
-- Sequence numbers are compared as text: a Lua number would lose the ones above 2^53.
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

-- The part of an id before the dash.
local function sequence(id)
  return string.match(id, '^(%d+)-')
end

local function fields(flat)
  local named = {}
  for i = 1, #flat, 2 do named[flat[i]] = flat[i + 1] end
  return named
end

local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then
  if string.find(groups.err, 'no such key', 1, true) then return { 'absent' } end
  return groups
end

local present = {}
for _, flat in ipairs(groups) do
  local group = fields(flat)
  present[group.name] = group
end
local required = tonumber(ARGV[4])
for i = 5, 4 + required do
  if not present[ARGV[i]] then return { 'missing', ARGV[i] } end
end
for i = 5 + required, #ARGV do present[ARGV[i]] = nil end

-- Whatever consumers say, an entry stays that a group has not been handed, or has not acknowledged. The lowest id that stays
-- is `<keep>-1` when the entry `<keep>-0` itself may go, `<keep>-0` otherwise.
local keep, after, holder = ARGV[1], '1', ''
local function hold(at, is_done, name)
  if less(at, keep) or (at == keep and after == '1' and not is_done) then
    keep, after, holder = at, is_done and '1' or '0', name
  end
end
for name, group in pairs(present) do
  hold(sequence(group['last-delivered-id']), true, name)
  if group.pending > 0 then
    hold(sequence(redis.call('XPENDING', KEYS[1], name)[2]), false, name)
  end
end

local gone = 0
if ARGV[3] == '1' then
  gone = redis.call('XTRIM', KEYS[1], 'MINID', '~', keep .. '-' .. after, 'LIMIT', ARGV[2])
end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return { 'trimmed', gone, holder, first and sequence(first[1]) or '', keep, after }
