! Heat in a column of soil of 20 layers, of which only two are in the state. The program stops
! after every interval: it reads run.nml, goes on from column.bin if that is there, and leaves
! column.bin and result.txt.
program column
  implicit none
  integer, parameter :: dp = kind(1d0), n = 20, steps = 20
  real(dp) :: t(n), before(n), from, hours, kappa, surface, probe, air, dt
  integer :: unit, i, step
  logical :: restart
  namelist /run/ from, hours, kappa, surface, probe

  open (newunit=unit, file='run.nml', status='old')
  read (unit, nml=run)
  close (unit)
  inquire (file='column.bin', exist=restart)
  if (restart) then
    open (newunit=unit, file='column.bin', form='unformatted', status='old')
    read (unit) t
    close (unit)
  else
    t = 10
  end if
  t(1) = surface
  t(6) = probe

  dt = hours/steps
  do step = 1, steps
    before = t
    air = 15 + 10*sin(6.283185307179586_dp*(from + step*dt)/24)
    t(1) = before(1) + dt*(0.5_dp*(air - before(1)) + kappa*(before(2) - before(1)))
    do i = 2, n - 1
      t(i) = before(i) + dt*kappa*(before(i - 1) - 2*before(i) + before(i + 1))
    end do
  end do

  open (newunit=unit, file='column.bin', form='unformatted', status='replace')
  write (unit) t
  close (unit)
  open (newunit=unit, file='result.txt', status='replace')
  write (unit, '(2es25.16e3)') t(1), t(6)
  close (unit)
end program column
