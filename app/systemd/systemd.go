package systemd

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"usher/internal/secret"
)

const (
	// starting is how often readiness is asked for before a process is ready.
	starting = 100 * time.Millisecond
	// running is how often afterwards, at the least: systemctl status shows the answer.
	running = 5 * time.Second
	// pings is how many times within WatchdogSec. One may get lost on a machine that is busy.
	pings = 3
)

// Notifier is what one process tells systemd.
type Notifier struct {
	ready func() error

	mu    sync.Mutex
	told  bool   // READY=1 was sent
	state string // the last STATUS
}

// New returns a Notifier. ready returns nil if the process is ready, or why it is not.
func New(ready func() error) *Notifier { return &Notifier{ready: ready} }

// Start begins to notify, until ctx ends or stop is called. It fails if systemd waits for
// notifications and cannot be reached.
func (n *Notifier) Start(ctx context.Context) (stop func(), err error) {
	listening, err := n.status("starting")
	if err != nil {
		return nil, fmt.Errorf("notify systemd: %w", err)
	}
	if !listening {
		return func() {}, nil
	}
	every := running
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, fmt.Errorf("read WATCHDOG_USEC, which systemd sets: %w", err)
	}
	if watchdog > 0 {
		every = min(every, watchdog/pings)
	}
	inner, end := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { n.run(inner, every, watchdog > 0) })
	return func() {
		end()
		background.Wait()
	}, nil
}

func (n *Notifier) run(ctx context.Context, every time.Duration, watchdog bool) {
	for {
		ready := n.look() // does not return if the process hangs
		if watchdog {
			send(daemon.SdNotifyWatchdog)
		}
		wait := every
		if !ready {
			wait = min(every, starting)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			send(daemon.SdNotifyStopping + "\nSTATUS=stopping")
			return
		}
	}
}

// look sends what has changed, and reports whether the process has been ready.
func (n *Notifier) look() bool {
	err := n.ready()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		_, _ = n.status("not ready: " + err.Error())
		return n.told
	}
	if !n.told {
		n.told = true
		send(daemon.SdNotifyReady)
	}
	_, _ = n.status("ready")
	return true
}

// status sends a text for systemctl status, if it has changed. It reports whether systemd
// listens. After the start the caller holds the lock.
func (n *Notifier) status(text string) (listening bool, err error) {
	text = strings.ReplaceAll(secret.RedactDetected(text), "\n", "; ") // a line break would begin another variable
	if text == n.state {
		return true, nil
	}
	n.state = text
	return daemon.SdNotify(false, "STATUS="+text)
}

// Reload runs reload, and tells systemd when it begins and ends.
func (n *Notifier) Reload(reload func()) {
	n.mu.Lock()
	ready := n.told
	n.mu.Unlock()
	if !ready { // READY=1 would say more than that the reload has ended
		reload()
		return
	}
	text := daemon.SdNotifyReloading
	if usec := daemon.SdNotifyMonotonicUsec(); usec != "" {
		text += "\n" + strings.TrimSpace(usec)
	}
	send(text)
	reload()
	send(daemon.SdNotifyReady)
}

// send sends a state. If it fails, systemd has gone away or misses a ping, and acts by itself.
func send(state string) { _, _ = daemon.SdNotify(false, state) }
