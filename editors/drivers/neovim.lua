-- Waits for findings, writes them down, has the file fixed and saved. Sourced in a Neovim without a screen.
local out = {}

local function finish(code)
  vim.fn.writefile(out, vim.env.DRIVE_OUT)
  vim.cmd(code == 0 and "qall!" or "cquit!")
end

local function wait(what, condition)
  if not vim.wait(30000, condition, 20) then
    table.insert(out, "never came: " .. what)
    finish(1)
  end
end

wait("findings", function() return #vim.diagnostic.get(0) > 0 end)
for _, one in ipairs(vim.diagnostic.get(0)) do
  local line = vim.api.nvim_buf_get_lines(0, one.lnum, one.lnum + 1, false)[1]
  table.insert(out, ("found %s %d: %s"):format(one.code, one.lnum + 1, line:sub(one.col + 1, one.end_col)))
end
local before = vim.api.nvim_buf_get_changedtick(0)
if vim.env.DRIVE_FIX ~= "on saving" then
  vim.lsp.buf.code_action({ context = { only = { "source.fixAll.mlint" }, diagnostics = {} }, apply = true })
  wait("the fix", function() return vim.api.nvim_buf_get_changedtick(0) > before end)
end
vim.cmd("write")
wait("no findings", function() return #vim.diagnostic.get(0) == 0 end)
table.insert(out, "left 0")
finish(0)
