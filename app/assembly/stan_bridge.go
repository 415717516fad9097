package assembly

import (
	"log/slog"
	"strings"
	"time"

	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/stanbridge"
)

// StanBridge returns the configuration of the bridge from NATS Streaming; nil if it is off.
// It connects nothing.
func StanBridge(cfg *config.Config, log *slog.Logger, now func() time.Time) (*stanbridge.Config, error) {
	c := &cfg.StanBridge
	if len(c.URLs) == 0 {
		return nil, nil //nolint:nilnil // off, which is no error
	}
	opts, err := natsconn.BridgeOptions(cfg)
	if err != nil {
		return nil, err
	}
	return &stanbridge.Config{
		URLs: strings.Join(c.URLs, ","), Options: opts,
		Cluster: c.ClusterID, Channels: c.Channels,
		Subject: func(channel string) string { return strings.Replace(c.Subject, "{channel}", channel, 1) },
		Stream: stanbridge.Stream{
			Name: c.Stream, Domain: c.Domain, Managed: c.Managed, MaxAge: c.MaxAge, MaxBytes: int64(c.MaxBytes),
			Replicas: c.Replicas, Durables: c.Durables,
		},
		MaxPayload: c.MaxPayload, MaxPending: c.MaxPending, MaxPendingBytes: c.MaxPendingBytes, AckWait: c.AckWait,
		Log: log, Now: now, Observe: func(time.Duration) {},
		Failed: natsconn.LogBridgeErrors(cfg, log, now),
	}, nil
}
