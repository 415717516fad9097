package endpoint

import (
	"errors"
	"io/fs"

	"usher/app/checkup/finding"
	"usher/app/natsconn"
	"usher/internal/fault"
)

// FailedFile appends an error of a section that names files. If it is about one of them,
// the finding has its path and its key. hint is for errors that have none.
func FailedFile(f *finding.List, check, hint string, err error) {
	inConfig := fault.InConfig(err)
	var known *fault.Error
	if errors.As(inConfig, &known) && known.Hint != "" {
		hint = known.Hint
	}
	var file *natsconn.FileError
	if !errors.As(err, &file) {
		f.Fail(fault.Config, check, "", hint, "%v", err)
		return
	}
	if errors.Is(err, fs.ErrNotExist) {
		hint = "correct the path in " + file.Key + ", or put the file there"
	}
	f.Fail(fault.Config, check, file.Path, hint, "%v", err)
	(*f)[len(*f)-1].Path = file.Key
}
