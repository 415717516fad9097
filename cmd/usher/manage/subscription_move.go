package manage

import (
	"context"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
)

// moveCommand returns "usher subscription move".
func moveCommand() remote.Command {
	return remote.Command{
		Name: "move", Usage: "let a subscription go on at another message", Args: "NAME", NeedsProject: true, RequiredFlags: []string{"to"},
		Flags: []cli.Flag{&cli.StringFlag{Name: "to", Usage: "`WHERE`: first, last (after the last message), an offset, or a time such as 2026-03-01T12:00:00Z"}},
		Run:   move,
	}
}

func move(ctx context.Context, r *remote.Session) error {
	name, to := r.Arg(0), r.CLI.String("to")
	target, err := offsetOf(ctx, r, name, to)
	if err != nil {
		return err
	}
	if err := r.API.ModifyOffset(ctx, r.Project, name, target); err != nil {
		return err
	}
	return r.PrintDone(&wire.Offset{Offset: target}, "subscription %s goes on at offset %d", name, target)
}

func offsetOf(ctx context.Context, r *remote.Session, name, to string) (int, error) {
	if n, err := strconv.ParseUint(to, 10, 53); err == nil {
		return int(n), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, to); err == nil {
		return r.API.OffsetAt(ctx, r.Project, name, at)
	}
	if to != "first" && to != "last" {
		return 0, cmdutil.UsageError("", "--to: expected first, last, an offset or a time such as 2026-03-01T12:00:00Z")
	}
	o, err := r.API.Offsets(ctx, r.Project, name)
	switch {
	case err != nil:
		return 0, err
	case to == "first":
		return o.Min, nil
	default:
		return o.Max, nil
	}
}
