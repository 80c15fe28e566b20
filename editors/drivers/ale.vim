" Waits for findings, writes them down, has the file fixed and saved. Sourced in a Vim without a screen.
function! DriveWait(what, condition) abort
  let l:end = reltimefloat(reltime()) + 30
  while !eval(a:condition)
    if reltimefloat(reltime()) > l:end
      call writefile(['never came: ' . a:what], $DRIVE_OUT, 'a')
      cquit!
    endif
    sleep 50m
  endwhile
endfunction

call ale#Queue(0)
call DriveWait('findings', '!empty(ale#engine#GetLoclist(bufnr("")))')
for s:one in ale#engine#GetLoclist(bufnr(''))
  let s:under = strpart(getline(s:one.lnum), s:one.col - 1, s:one.end_col - s:one.col + 1)
  call writefile(['found ' . s:one.code . ' ' . s:one.lnum . ': ' . s:under], $DRIVE_OUT, 'a')
endfor
let s:before = b:changedtick
ALEFix
call DriveWait('the fix', 'b:changedtick > ' . s:before)
noautocmd write
call ale#Queue(0)
call DriveWait('no findings', 'empty(ale#engine#GetLoclist(bufnr("")))')
call writefile(['left 0'], $DRIVE_OUT, 'a')
qall!
