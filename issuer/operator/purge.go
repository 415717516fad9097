package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// subjectPurge deletes all JetStream data of an account. The meta leader of a cluster
// answers, or each server outside a cluster.
const subjectPurge = "$JS.API.ACCOUNT.PURGE.%s"

// ErrNoJetStream: no server has answered the purge.
var ErrNoJetStream = errors.New("no server with JetStream answers")

// Purge deletes every stream of an account, with its consumers.
func (c *Cluster) Purge(ctx context.Context, account string) error {
	requestCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := 0
	err := c.request(requestCtx, fmt.Sprintf(subjectPurge, account), nil, func(m *nats.Msg) (bool, error) {
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
			return false, fmt.Errorf("purge of account %s did not start", account)
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
