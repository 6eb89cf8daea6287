-- Texts of others: names, reasons, errors. They may be any bytes.

local gsub = string.gsub


local _M = {}


-- Tells whether a text is UTF-8.
function _M.is_utf8(text)
    if not text:find("[\128-\255]") then
        return true
    end
    if text:find("\224[\128-\159]") or text:find("\237[\160-\191]")
       or text:find("\240[\128-\143]") or text:find("\244[\144-\191]") then
        return false
    end
    local rest = text:gsub("[\194-\223][\128-\191]", "_")
                     :gsub("[\224-\239][\128-\191][\128-\191]", "_")
                     :gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", "_")
    return not rest:find("[\128-\255]")
end


-- Returns a text with spaces for control characters, also those of U+0080 to
-- U+009F: it can neither begin another line nor speak to a terminal.
function _M.on_one_line(text)
    return (gsub(gsub(text, "%c", " "), "\194[\128-\159]", " "))
end


-- Returns at most size bytes of a text, and no half character at the end.
function _M.cut(text, size)
    if #text <= size then
        return text
    end
    while size > 0 and text:find("^[\128-\191]", size + 1) do
        size = size - 1
    end
    return text:sub(1, size)
end


return _M
