// Package account asks nats-server which account a connection is in.
package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	timeout  = time.Second // of one request for the account
	attempts = 5
)

// Of returns the account that nc is in.
func Of(ctx context.Context, nc *nats.Conn) (string, error) {
	m, err := nc.RequestWithContext(ctx, "$SYS.REQ.USER.INFO", nil)
	if err != nil {
		return "", fmt.Errorf("request the account of the connection: %w", err)
	}
	var info struct {
		Data struct {
			Account string `json:"account"`
		} `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &info); err != nil {
		return "", fmt.Errorf("request the account of the connection: %w", err)
	}
	return info.Data.Account, nil
}

// Query is Of with retries after a timeout: a slow server must not be mistaken for one that
// forbids the request, which reports a permission violation.
func Query(ctx context.Context, nc *nats.Conn) (account string, err error) {
	for range attempts {
		account, err = within(ctx, nc, timeout)
		if !errors.Is(err, context.DeadlineExceeded) || !nc.IsConnected() || errors.Is(nc.LastError(), nats.ErrPermissionViolation) {
			break
		}
	}
	return account, err
}

func within(ctx context.Context, nc *nats.Conn, d time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return Of(ctx, nc)
}
