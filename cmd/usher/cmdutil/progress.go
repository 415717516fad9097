package cmdutil

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"
)

// ShowProgress shows a line that changes, if stderr is a terminal, until stop
// is called.
func ShowProgress(c *cli.Context, line func() string) (stop func()) {
	if !IsTerminal(c.App.ErrWriter) {
		return func() {}
	}
	return Follow(c.App.ErrWriter, time.NewTicker(time.Second/5), line)
}

// Follow writes the line at each tick.
func Follow(w io.Writer, tick *time.Ticker, line func() string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-tick.C:
				fmt.Fprintf(w, "\r\x1b[K%s", line())
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// IsTerminal reports whether a person is at the other end of a file.
func IsTerminal(file any) bool {
	f, ok := file.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
