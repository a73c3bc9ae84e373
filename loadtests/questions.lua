-- wrk script: one question per request, each with an idempotency key of its own; without arguments, GET /.
-- Arguments: HEAD_FILE QUESTIONS_FILE KEY_PREFIX SEED [PROOFS_FILE]
-- HEAD_FILE: request line and constant headers, each line ended by CRLF. QUESTIONS_FILE: a body in JSON a line.
-- PROOFS_FILE: a DPoP proof a line, each used once.

local head, prefix, questions, proofs
local asked = 0

local function lines_of(path)
    local lines = {}
    for line in io.lines(path) do lines[#lines + 1] = line end
    return lines
end

function init(args)
    if not args[1] then return end
    local file = assert(io.open(args[1], "rb"))
    head = file:read("*a")
    file:close()
    questions = {}
    for _, body in ipairs(lines_of(args[2])) do
        questions[#questions + 1] = "Content-Length: " .. #body .. "\r\n\r\n" .. body
    end
    prefix = args[3]
    math.randomseed(tonumber(args[4]))
    if args[5] then proofs = lines_of(args[5]) end
end

function request()
    if not head then return wrk.format() end
    asked = asked + 1
    local key = "Idempotency-Key: " .. prefix .. "-" .. asked .. "\r\n"
    if proofs then
        -- When they run out the last one comes again, is refused, and shows as such.
        key = key .. "DPoP: " .. (proofs[asked] or proofs[#proofs]) .. "\r\n"
    end
    return head .. key .. questions[math.random(#questions)]
end

function done(summary, latency, requests)
    io.write(string.format(
        'RESULT {"completed": %d, "refused": %d, "socket_errors": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f}\n',
        summary.requests, summary.errors.status,
        summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
        summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
