-- The native library and the guard beside it, as they are when nginx reads its
-- configuration.
--
-- The master holds both open, and its children inherit that. So a carrier that
-- nginx has to start again finds the library that has made its board, whatever
-- was installed or removed since. A reload finds what is there then.

local ffi = require "ffi"

local C = ffi.C
local error = error
local gc = ffi.gc
local loadlib = package.loadlib
local new = ffi.new
local preload = package.preload


ffi.cdef [[
typedef struct { int fd; } resty_vrrp_held;
int resty_vrrp_open(const char *, int, ...) __asm__("open");
int resty_vrrp_close(int) __asm__("close");
]]


local _M = {}


local NAME = "resty.vrrp.core"
local ENTRY = "luaopen_resty_vrrp_core"
local O_RDONLY = 0x80000

-- The path of the guard; and the files that are held open until this VM ends.
local guard
local held = {}


-- Holds a file open. Returns a path that leads to it from now on, in every
-- process that inherits the descriptor; or nil.
local function hold(path)
    local fd = C.resty_vrrp_open(path, O_RDONLY)
    if fd < 0 then
        return nil
    end
    held[#held + 1] = gc(new("resty_vrrp_held", fd), function(file)
        C.resty_vrrp_close(file.fd)
    end)
    return "/proc/self/fd/" .. fd
end


-- Makes require "resty.vrrp.core" load the library that is installed now. If
-- there is none, require says where it has looked.
function _M.find()
    local path = package.searchpath(NAME, package.cpath)
    local library = path and hold(path)
    guard = path and { path = path:gsub("core%.so$", "guard") }
    if guard then
        guard.held = hold(guard.path)
    end
    if library and not preload[NAME] then
        preload[NAME] = function(...)
            local open, err = loadlib(library, ENTRY)
            if not open then
                error(err:gsub(library, path), 0)
            end
            return open(...)
        end
    end
end


-- Returns the path of the guard beside the library, and one that leads to the
-- file that was there when nginx read its configuration. There may be none.
function _M.guard()
    if guard then
        return guard.path, guard.held
    end
end


return _M
