package cmdutil

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// ShowProgress keeps a status line on stderr up to date until stop is called. It does
// nothing if stderr is not a terminal.
func ShowProgress(c *cli.Context, line func() string) (stop func()) {
	if !IsTerminal(c.App.ErrWriter) {
		return func() {}
	}
	return PrintProgress(c.App.ErrWriter, time.NewTicker(progressInterval), line)
}

// progressInterval is the time between two updates of the status line.
const progressInterval = 200 * time.Millisecond

// PrintProgress rewrites the status line at each tick, and clears it when stop is called.
func PrintProgress(w io.Writer, tick *time.Ticker, line func() string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
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
	return func() { cancel(); <-done }
}

// IsTerminal reports whether a reader or writer is a terminal.
func IsTerminal(file any) bool {
	f, ok := file.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
