-- wrk script: one token request per request, each with the next of the forms in a file.
-- Arguments: HEAD_FILE FORMS_FILE. HEAD_FILE: request line and constant headers, each line ended by CRLF.

local head, forms
local asked = 0

function init(args)
    local file = assert(io.open(args[1], "rb"))
    head = file:read("*a")
    file:close()
    forms = {}
    for line in io.lines(args[2]) do forms[#forms + 1] = line end
end

function request()
    asked = asked + 1
    -- When they run out the last one comes again, is refused, and shows as such.
    local form = forms[asked] or forms[#forms]
    return head .. "Content-Length: " .. #form .. "\r\n\r\n" .. form
end

function done(summary, latency, requests)
    io.write(string.format(
        'RESULT {"completed": %d, "refused": %d, "socket_errors": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f}\n',
        summary.requests, summary.errors.status,
        summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
        summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
