-- What wrk sends for each operation, and how it reports. Called by bench.py:
-- wrk … -s bench.lua ADDRESS -- OPERATION FOLDER RUN, with the access token and the lists of ids in FOLDER.

local tags = {"core", "regional", "legacy", "cloud", "critical", "gdpr", "sox", "pilot"}
local hosting = {"SaaS", "PaaS", "IaaS", "On-Premise", "Cloud%20Native"}
local vendors = {"Oracle", "Microsoft", "Broadcom", "MongoDB", "Amazon Web Services"}
local ids, at, run, made = {}, 0, 0, 0
local ask

local function lines(path)
  local found = {}
  for line in io.lines(path) do found[#found + 1] = line end
  return found
end

-- The next id of the list, which is in random order.
local function id()
  at = at % #ids + 1
  return ids[at]
end

local function card()
  made = made + 1
  return string.format(
    '{"type":"Application","name":"Measured %s %d","description":"Made by a measurement.","tags":["%s","measured"],'
      .. '"technical_fit":%d,"business_criticality":"Tier 3","lifecycle":{"active":"2024-03-01"},'
      .. '"attributes":{"hosting_type":"SaaS","vendor":"Vendor %d"}}',
    run, made, tags[made % #tags + 1], made % 4 + 1, made % 100)
end

local function get(path) return wrk.format("GET", path) end

local function traverse()
  return wrk.format("POST", "/api/v1/graph/traverse", nil, '{"root_id":"' .. id() .. '","depth":5,"limit_nodes":999}')
end

local function impact() return get("/api/v1/graph/impact/" .. id() .. "?max_depth=5&limit_nodes=999") end

-- Each operation: the list of ids it takes, and its requests.
local operations = {
  ["json"] = {nil, function() return get("/json") end},
  ["row"] = {"cards", function() return get("/cards/" .. id()) end},
  ["get card"] = {"cards", function() return get("/api/v1/cards/" .. id()) end},
  ["list by tag"] = {nil, function()
    made = made + 1
    return get("/api/v1/cards?type=Application&limit=50&tags=" .. tags[made % #tags + 1])
  end},
  ["list by attribute"] = {nil, function()
    made = made + 1
    return get("/api/v1/cards?type=Application&limit=50&filter=attributes.hosting_type:eq:" .. hosting[made % #hosting + 1])
  end},
  ["query related"] = {nil, function()
    made = made + 1
    return wrk.format("POST", "/api/v1/cards/query", nil, '{"types":["Application"],"limit":50,"where":{"related":{"type":"RELIES_ON",'
      .. '"to":"ITComponent","where":{"vendor":"' .. vendors[made % #vendors + 1] .. '"}}}}')
  end},
  ["facets"] = {nil, function() return get("/api/v1/cards/facets") end},
  ["facets of an attribute"] = {nil, function()
    made = made + 1
    return get("/api/v1/cards/facets?type=Application&facet=attributes.hosting_type&facet=lifecycle_phase&tags=" .. tags[made % #tags + 1])
  end},
  ["facets under a filter"] = {nil, function()
    made = made + 1
    return get("/api/v1/cards/facets?type=Application&filter=attributes.hosting_type:eq:" .. hosting[made % #hosting + 1])
  end},
  ["create card"] = {nil, function() return wrk.format("POST", "/api/v1/cards", nil, card()) end},
  ["patch card"] = {"applications", function()
    made = made + 1
    return wrk.format("PATCH", "/api/v1/cards/" .. id(), nil,
      string.format('{"description":"Changed by measurement %s, the %d. time"}', run, made))
  end},
  ["bulk create of 100"] = {nil, function()
    local items = {}
    for n = 1, 100 do items[n] = '{"op":"create","entity":"card","card":' .. card() .. "}" end
    return wrk.format("POST", "/api/v1/cards/bulk", nil, '{"operations":[' .. table.concat(items, ",") .. "]}")
  end},
  ["traverse"] = {"ordinary", traverse},
  ["traverse from hubs"] = {"hubs", traverse},
  ["impact"] = {"ordinary", impact},
  ["impact of hubs"] = {"hubs", impact},
}

function init(arguments)
  local operation, folder = operations[arguments[1]], arguments[2]
  run = arguments[3]
  if operation[1] then ids = lines(folder .. "/" .. operation[1]) end
  at = tonumber(run) * 7919 % math.max(#ids, 1)
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. lines(folder .. "/token")[1]
  ask = operation[2]
end

function request() return ask() end

-- One line that a program reads. Times are in microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(95), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
