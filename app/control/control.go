// Package control is what commands ask the running ushers of an installation over NATS, in the
// callout account: to reload, and which configuration they use.
//
// It promises that every usher answers for itself, and that an answer has no secret: the
// configuration has none. Only a service user can ask, as only it is in that account.
package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// The subjects. Messages whose meaning an older usher would get wrong need another version.
const (
	SubjectReload        = "usher.control.v1.reload"
	SubjectConfiguration = "usher.control.v1.configuration"
)

// Reload is the answer to SubjectReload.
type Reload struct {
	Instance string   `json:"instance"` // of the process, as in its statistics
	Host     string   `json:"host,omitempty"`
	File     string   `json:"file"`              // usher.yaml
	Changed  []string `json:"changed,omitempty"` // keys that have another value in force now
	Restart  []string `json:"restart,omitempty"` // keys that need a restart
	Errors   []string `json:"errors,omitempty"`  // one for each fault; what it concerns stays as it was
}

// Configuration is the answer to SubjectConfiguration.
type Configuration struct {
	Instance string            `json:"instance"`
	Host     string            `json:"host,omitempty"`
	File     string            `json:"file"`
	Values   map[string]string `json:"values"` // in force, as YAML on one line, by key
}

// ErrNobody: no usher has answered.
var ErrNobody = errors.New("no running usher answers")

// Ask asks all ushers, and returns their answers, in the order of name, once most have come or the
// time is over.
func Ask[T any](ctx context.Context, nc *nats.Conn, subject string, most int, wait time.Duration, name func(*T) string) ([]T, error) {
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("ask the running ushers: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only if the connection is closed, which ends the subscription too
	if err := nc.PublishRequest(subject, sub.Subject, nil); err != nil {
		return nil, fmt.Errorf("ask the running ushers: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var answers []T
	for len(answers) < most {
		m, err := sub.NextMsgWithContext(waiting)
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("ask the running ushers: %w", err)
		}
		var answer T
		if json.Unmarshal(m.Data, &answer) == nil && name(&answer) != "" {
			answers = append(answers, answer)
		}
	}
	if len(answers) == 0 {
		return nil, ErrNobody
	}
	slices.SortFunc(answers, func(a, b T) int { return cmp.Compare(name(&a), name(&b)) })
	return answers, nil
}
