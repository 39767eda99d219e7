-- Appends a batch to a stream, only if its last id is what the relay believes it to be.
--
-- KEYS[1]  the stream
-- ARGV[1]  the sequence number that the relay believes to be the last one, 0 for an empty stream
-- ARGV[2]  how many fields an entry has
-- ARGV[3]… per entry: its sequence number, then name and value of each field
--
-- Returns the last sequence number of the stream after the call. A result other than that of the batch's last entry
-- means that the batch was refused: another relay was here, or the stream has lost its tail.
local function last_sequence()
  local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
  if info.err then return '0' end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return string.match(info[i + 1], '^(%d+)-') end
  end
end

local last = last_sequence()
if last ~= ARGV[1] then return last end

local width = tonumber(ARGV[2]) * 2
local at = 3
while at <= #ARGV do
  -- Sequence numbers stay strings: a Lua number would lose the ones above 2^53.
  local sequence = ARGV[at]
  redis.call('XADD', KEYS[1], sequence .. '-0', unpack(ARGV, at + 1, at + width))
  last = sequence
  at = at + width + 1
end
return last
