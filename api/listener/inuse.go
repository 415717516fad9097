package listener

import (
	"errors"
	"syscall"
)

// errInUseWindows is what Windows says for EADDRINUSE; elsewhere no error has this number.
const errInUseWindows = syscall.Errno(10048)

// InUse reports whether a listener failed because its address is taken.
func InUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, errInUseWindows)
}
