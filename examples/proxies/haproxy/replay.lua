-- Asks the app next door. When it says "replay", the request goes on to the backend of the region that it names; else its answer is the answer.
local HOP = { connection = true, ["transfer-encoding"] = true, ["content-length"] = true, ["keep-alive"] = true }

core.register_action("headwater", { "http-req" }, function(txn)
  local headers = {}
  for name, list in pairs(txn.http:req_get_headers()) do
    if not HOP[name] then
      headers[name] = {}
      for _, value in pairs(list) do table.insert(headers[name], value) end
    end
  end
  local client = core.httpclient()
  local call = { url = "http://127.0.0.1:8081" .. txn.f:pathq(), headers = headers, timeout = 60000 }
  local body = txn.f:req_body()
  if body ~= nil and #body > 0 then
    call.body = body
    -- A body of unknown length would run here first.
    headers["content-length"] = { tostring(#body) }
  end
  local method = client[string.lower(txn.f:method())]
  if method == nil then return end
  local answer = method(client, call)
  if answer == nil or answer.status == 0 then
    txn:done(txn:reply{ status = 502, headers = { ["cache-control"] = { "no-store" } } })
    return
  end
  if answer.status == 470 then
    txn:set_var("txn.state", answer.headers["headwater-state"][0])
    txn:set_var("txn.region", answer.headers["headwater-region"][0])
    return
  end
  if txn.f:method() == "HEAD" or answer.status == 304 then
    -- A reply says that its body has 0 bytes. The length is of the body that a GET would have: lua.cfg sets it.
    local length = answer.headers["content-length"]
    txn:set_var("txn.length", length and length[0] or "unknown")
  end
  local reply = txn:reply{ status = answer.status, body = answer.body or "" }
  for name, list in pairs(answer.headers) do
    if not HOP[name] then
      for _, value in pairs(list) do reply:add_header(name, value) end
    end
  end
  txn:done(reply)
end, 0)
