-- Requests to the directory, made beforehand.  MODE: heartbeat | list | holders
-- ENJAMBRE_LOADED is the file that the loader wrote: `file ID` and `peer ID INSTANCE TOKEN`, a line each.
package.path = (os.getenv("WRK_DIR") or ".") .. "/?.lua;" .. package.path
require("common")
local PREPARED = 20000
local requests = {}
local usual_init = init

-- RFC 4648 §5, without padding
local A = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
local function base64url(s)
  local out = {}
  for i = 1, #s, 3 do
    local a, b, c = s:byte(i, i + 2)
    local v = a * 65536 + (b or 0) * 256 + (c or 0)
    local function d(k) local x = math.floor(v / 64 ^ k) % 64 + 1; return A:sub(x, x) end
    out[#out + 1] = d(3) .. d(2) .. (b and d(1) or "") .. (c and d(0) or "")
  end
  return table.concat(out)
end

function init(args)
  usual_init(args)
  local files, peers = {}, {}
  for line in io.lines(os.getenv("ENJAMBRE_LOADED")) do
    local file = line:match("^file (%x+)$")
    if file then files[#files + 1] = file end
    local peer, instance, token = line:match("^peer (%w+) (%x+) (%x+)$")
    if peer then peers[#peers + 1] = { peer, instance, token } end
  end
  for k = 1, PREPARED do
    local peer = peers[math.random(#peers)]
    local headers = { Authorization = "Bearer " .. peer[3] }
    if MODE == "heartbeat" then
      headers["Content-Type"] = "application/json"
      requests[k] = wrk.format("POST", "/api/v1/peers/" .. peer[1] .. "/heartbeat", headers,
        '{"instance":"' .. peer[2] .. '"}')
    elseif MODE == "list" then
      local name = string.format("file-%d.bin", math.random(0, #files - 1))
      local cursor = base64url(string.char(0, 0, 0, #name) .. name)
      requests[k] = wrk.format("GET", "/api/v1/files?limit=100&cursor=" .. cursor, headers)
    else
      requests[k] = wrk.format("GET", "/api/v1/files/" .. files[math.random(#files)] .. "/holders", headers)
    end
  end
end

function request() return requests[math.random(#requests)] end
