package assembly

import (
	"context"
	"testing"

	"usher/identity"
	"usher/tokens"
)

// working is a verifier with work between requests.
type working struct{ started, ended chan struct{} }

var _ tokens.Background = (*working)(nil)

func (*working) Name() string { return "working" }

func (*working) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.ErrNotApplicable
}

func (w *working) Run(ctx context.Context) {
	close(w.started)
	<-ctx.Done()
	close(w.ended)
}

// TestRunChain: the work of every verifier runs until the context ends, and runChain
// waits for it.
func TestRunChain(t *testing.T) {
	all := []*working{{make(chan struct{}), make(chan struct{})}, {make(chan struct{}), make(chan struct{})}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		runChain(ctx, tokens.Chain{all[0], all[1]})
		close(done)
	}()
	for _, w := range all {
		<-w.started
	}
	cancel()
	<-done
	for _, w := range all {
		select {
		case <-w.ended:
		default:
			t.Error("runChain returned before the work had ended")
		}
	}
}
