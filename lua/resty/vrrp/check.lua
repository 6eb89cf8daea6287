-- Checks the options with the native library, in a child process that ends
-- after some milliseconds. The master never loads the library itself: a reload
-- uses a library that was upgraded, and none of its threads or locks crosses a
-- fork.

local clock = require "resty.vrrp.clock"
local ffi = require "ffi"

local C = ffi.C
local concat = table.concat
local ffi_new = ffi.new
local ffi_string = ffi.string
local format = string.format
local now_ms = clock.now_ms
local pcall = pcall
local tonumber = tonumber
local tostring = tostring
local unpack = unpack


ffi.cdef [[
typedef struct { unsigned long bits[16]; } resty_vrrp_sigset;
typedef struct { int fd; short events; short revents; } resty_vrrp_pollfd;
int resty_vrrp_sigemptyset(resty_vrrp_sigset *) __asm__("sigemptyset");
int resty_vrrp_sigaddset(resty_vrrp_sigset *, int) __asm__("sigaddset");
int resty_vrrp_sigprocmask(int, const resty_vrrp_sigset *,
                           resty_vrrp_sigset *) __asm__("sigprocmask");
int resty_vrrp_pipe2(int *, int) __asm__("pipe2");
int resty_vrrp_fork(void) __asm__("fork");
int resty_vrrp_getpid(void) __asm__("getpid");
int resty_vrrp_poll(resty_vrrp_pollfd *, unsigned long, int) __asm__("poll");
long resty_vrrp_read(int, void *, size_t) __asm__("read");
long resty_vrrp_write(int, const void *, size_t) __asm__("write");
int resty_vrrp_waitpid(int, int *, int) __asm__("waitpid");
int resty_vrrp_kill(int, int) __asm__("kill");
void resty_vrrp_exit(int) __asm__("_exit");
]]


local _M = {}


local O_CLOEXEC = 0x80000
local POLLIN = 1
local SIGCHLD = 17
local SIGKILL = 9
local SIG_BLOCK = 0
local SIG_SETMASK = 2
local EINTR = 4

-- A check takes a few milliseconds; a library that hangs must not hang the
-- start of nginx.
local TIMEOUT_MS = 10000
local BUFFER = 65536

-- A child that has answered ends within a millisecond.
local EXIT_MS = 500
local WNOHANG = 1

-- How the length of the answer is written.
local LENGTH = "%010d"
local LENGTH_DIGITS = 10


-- Returns the name and version of the server as `nginx -v` prints them:
-- openresty/1.31.3.1. No variable and no function returns both.
local function server()
    local exe = format("/proc/%d/exe -v 2>&1", C.resty_vrrp_getpid())
    local pipe = io.popen(exe)
    local line = pipe and pipe:read("*l")
    if pipe then
        -- Waits for the shell, which would become a child of nginx otherwise.
        pipe:close()
    end
    return line and line:match("version: (%S+)") or "nginx"
end


-- Returns the file that nginx reads unless it was told otherwise.
local function usual_conf()
    return ngx.config.nginx_configure():match("%-%-conf%-path=(%S+)")
           or "conf/nginx.conf"
end


-- Returns the fields that the child writes: "ok", the server, the option
-- carrier, the options as JSON and as a call of setup, if they come from a
-- file, and warnings; or the kind of the failure, and its text.
local function verdict(options, is_file, board_fd, page_fd)
    local loaded, core = pcall(require, "resty.vrrp.core")
    if not loaded then
        return "missing", tostring(core)
    end
    local path = "/proc/self/fd/"
    -- nginx does not know it yet if worker_processes follows the http block.
    local workers = ngx.worker.count()
    workers = workers > 0 and workers or nil
    local ran, told, err = pcall(core.check, options, is_file,
                                 path .. board_fd, path .. page_fd, workers,
                                 usual_conf(), ngx.config.prefix())
    if not ran then
        return "broken", tostring(told)
    end
    if not told then
        return "wrong", err
    end
    return "ok", server(), unpack(told)
end


local function write_all(fd, text)
    local start = ffi.cast("const char *", text)
    local done = 0
    while done < #text do
        local written = C.resty_vrrp_write(fd, start + done, #text - done)
        if written <= 0 then
            return
        end
        done = done + tonumber(written)
    end
end


-- Never returns: the child must not run the rest of the master's start.
local function be_child(fd, ...)
    local arguments = { ... }
    pcall(function()
        local text = concat({ verdict(unpack(arguments)) }, "\0")
        write_all(fd, format(LENGTH, #text) .. text)
    end)
    C.resty_vrrp_exit(0)
end


-- Returns the text behind its length, "" if it breaks off, or nil if it does
-- not come within TIMEOUT_MS. The pipe may stay open after that: a child that
-- waits for the kernel does not end.
local function read_all(fd)
    local deadline_ms = now_ms() + TIMEOUT_MS
    local poll = ffi_new("resty_vrrp_pollfd[1]")
    local buffer = ffi_new("char[?]", BUFFER)
    local text = ""
    poll[0].fd = fd
    poll[0].events = POLLIN

    while true do
        local remaining_ms = deadline_ms - now_ms()
        if remaining_ms <= 0 then
            return nil
        end
        if C.resty_vrrp_poll(poll, 1, remaining_ms) > 0 then
            local count = tonumber(C.resty_vrrp_read(fd, buffer, BUFFER))
            if count > 0 then
                text = text .. ffi_string(buffer, count)
                local length = tonumber(text:sub(1, LENGTH_DIGITS))
                if #text >= LENGTH_DIGITS + (length or 0) then
                    return text:sub(LENGTH_DIGITS + 1)
                end
            elseif count == 0 or ffi.errno() ~= EINTR then
                return ""
            end
        end
    end
end


-- Returns the wait status of the child. One that does not end within EXIT_MS
-- waits for the kernel, and nothing can end it: nginx reaps it later.
local function wait(pid)
    local status = ffi_new("int[1]")
    local deadline_ms = now_ms() + EXIT_MS
    while C.resty_vrrp_waitpid(pid, status, WNOHANG) == 0
          and now_ms() < deadline_ms
    do
        C.resty_vrrp_poll(nil, 0, 1)
    end
    return status[0]
end


local function ask_child(...)
    local ends = ffi_new("int[2]")
    if C.resty_vrrp_pipe2(ends, O_CLOEXEC) ~= 0 then
        return nil, "cannot make a pipe"
    end
    local pid = C.resty_vrrp_fork()
    if pid == 0 then
        be_child(ends[1], ...)
    end

    C.resty_vrrp_close(ends[1])
    local text = pid > 0 and read_all(ends[0])
    C.resty_vrrp_close(ends[0])
    if pid < 0 then
        return nil, "cannot fork"
    end
    if not text then
        C.resty_vrrp_kill(pid, SIGKILL)
    end
    local status = wait(pid)
    if not text then
        return nil, "the check of the options did not end within "
                    .. TIMEOUT_MS / 1000 .. " s"
    end
    if text == "" then
        return nil, "the check of the options broke off, wait status " .. status
    end
    return text
end


-- The fork must not be part of a compiled trace: the child would leave it in
-- the middle.
jit.off(ask_child)


local function explain(kind, text)
    if kind == "wrong" then
        return "the options are wrong:\n" .. text
    end
    if kind == "missing" then
        return "the native library cannot be loaded; looked for resty/vrrp/"
               .. "core.so in lua_package_cpath, which is\n"
               .. package.cpath .. "\n" .. text
    end
    return "the check of the options failed: " .. text
end


-- Returns the fields of a text, which end with NUL, and the last with the text.
local function split(text)
    local fields = {}
    local from = 1
    repeat
        local at = text:find("\0", from, true)
        fields[#fields + 1] = text:sub(from, (at or 0) - 1)
        from = at and at + 1
    until not from
    return fields
end


-- Checks the options, JSON or the path of a file, and fills the board in
-- board_fd, and its page. Returns what the options are: a table with the option
-- carrier, the server's name and version, the options as json and as a call of
-- setup, if they come from a file, and a list of warnings; or nil and the
-- problems.
function _M.run(options, is_file, board_fd, page_fd)
    local mask = ffi_new("resty_vrrp_sigset")
    local before = ffi_new("resty_vrrp_sigset")
    C.resty_vrrp_sigemptyset(mask)
    C.resty_vrrp_sigaddset(mask, SIGCHLD)

    -- nginx's handler of SIGCHLD would reap the child and log it as unknown.
    C.resty_vrrp_sigprocmask(SIG_BLOCK, mask, before)
    local text, err = ask_child(options, is_file, board_fd, page_fd)
    C.resty_vrrp_sigprocmask(SIG_SETMASK, before, nil)
    if not text then
        return nil, err
    end

    local fields = split(text)
    if fields[1] ~= "ok" then
        return nil, explain(fields[1], fields[2] or text)
    end
    return { server = fields[2], carrier = fields[3], json = fields[4],
             setup = fields[5], warnings = { unpack(fields, 6) } }
end


return _M
