! Lorenz-63 by Runge-Kutta steps of order 4. Reads the namelist file state.nml,
! writes the three numbers of the state to result.txt.
program lorenz63
  implicit none
  integer, parameter :: dp = kind(1d0)
  real(dp) :: from, to, step, state(3)
  integer :: unit, k
  namelist /run/ from, to, step, state

  open (newunit=unit, file='state.nml', status='old', action='read')
  read (unit, nml=run)
  close (unit)
  do k = 1, nint((to - from)/step)
    call advance(step, state)
  end do
  open (newunit=unit, file='result.txt', action='write')
  write (unit, '(es25.16e3)') state ! 17 digits give back the same number
  close (unit)

contains

  pure function tendency(s) result(d)
    real(dp), intent(in) :: s(3)
    real(dp) :: d(3)
    real(dp), parameter :: sigma = 10, rho = 28, beta = 8.0_dp/3
    d(1) = sigma*(s(2) - s(1))
    d(2) = s(1)*(rho - s(3)) - s(2)
    d(3) = s(1)*s(2) - beta*s(3)
  end function

  pure subroutine advance(h, x)
    real(dp), intent(in) :: h
    real(dp), intent(inout) :: x(3)
    real(dp), dimension(3) :: k1, k2, k3, k4
    k1 = tendency(x)
    k2 = tendency(x + (h/2)*k1)
    k3 = tendency(x + (h/2)*k2)
    k4 = tendency(x + h*k3)
    x = x + (h/6)*((k1 + 2*(k2 + k3)) + k4)
  end subroutine

end program
