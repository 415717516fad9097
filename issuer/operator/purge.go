package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// subjectPurge is where JetStream is told to delete all that an account keeps: by the
// meta leader of a cluster, or by every server that is none.
const subjectPurge = "$JS.API.ACCOUNT.PURGE.%s"

// ErrNoJetStream: no server has answered a purge.
var ErrNoJetStream = errors.New("no server with JetStream answers")

// Purge deletes every stream of an account, and what its consumers know.
func (c *Cluster) Purge(ctx context.Context, account string) error {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := 0
	err := c.ask(asking, fmt.Sprintf(subjectPurge, account), nil, func(m *nats.Msg) (bool, error) {
		var answer struct {
			Initiated bool      `json:"initiated"`
			Error     *apiError `json:"error"`
		}
		switch err := json.Unmarshal(m.Data, &answer); {
		case err != nil:
			return false, fmt.Errorf("purge: %w", err)
		case answer.Error != nil:
			return false, fmt.Errorf("purge of account %s: %s", account, answer.Error.Description)
		case !answer.Initiated:
			return false, fmt.Errorf("purge of account %s was not begun", account)
		}
		if answered++; answered == 1 {
			time.AfterFunc(quiet, cancel)
		}
		return false, nil
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, context.Canceled):
		return err
	case answered == 0:
		return fmt.Errorf("purge of account %s: %w", account, ErrNoJetStream)
	}
	return nil
}
