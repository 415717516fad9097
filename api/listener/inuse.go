package listener

import (
	"errors"
	"syscall"
)

// errInUseWindows is EADDRINUSE on Windows. No other system uses this number.
const errInUseWindows = syscall.Errno(10048)

// InUse reports whether an error of listening means that another process uses the address.
func InUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, errInUseWindows)
}
