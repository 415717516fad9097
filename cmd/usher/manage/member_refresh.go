package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
)

// refreshed is what has become of the key of one member. It does not have the key itself.
type refreshed struct {
	User      string     `json:"user"`
	Key       string     `json:"key,omitempty"`         // its name
	OldEndsOn *time.Time `json:"old_ends_on,omitempty"` // when the old key ends
	ExpiresOn *time.Time `json:"expires_on,omitempty"`  // of the new key
	Skipped   string     `json:"skipped,omitempty"`     // why there is no new key
	Error     string     `json:"error,omitempty"`
}

func (x *refreshed) result() string {
	switch {
	case x.Error != "":
		return x.Error
	case x.Skipped != "":
		return x.Skipped
	default:
		return "replaced"
	}
}

func memberRefreshCommand() remote.Command {
	return remote.Command{
		Name: "refresh", Usage: "give members new keys while the old ones still work", Args: "USER...", NeedsProject: true,
		Description: "Replaces a key of each USER, or of all members with --all. Each old key works until\n" +
			"the end of --grace. Writes a line USER KEY-NAME KEY for each new key to the file of\n" +
			"--to, and the results without keys to stdout. A member without an API key is left out.\n" +
			"Only a service_admin may do this: a member may have rights in other projects, too.\n\n" +
			"Sessions of an old key stay until it ends.",
		ForbiddenHint: "only a service_admin may replace keys, not an administrator of the project: a member may have rights in other projects, too",
		RequiredFlags: []string{"grace", "to"},
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "grace", Usage: "`TIME` for which the old keys stay valid, such as 24h"},
			&cli.BoolFlag{Name: "all", Usage: "all members of the project"},
			&cli.StringFlag{Name: "key", Usage: "name of the `KEY` to replace", DefaultText: wire.DefaultKey + ", or the only one"},
			&cli.StringFlag{Name: "to", Usage: "new `FILE` for the new keys, with mode 0600"},
		},
		Run: memberRefresh,
	}
}

func memberRefresh(ctx context.Context, r *remote.Session) error {
	names := r.CLI.Args().Slice()
	if r.CLI.Bool("all") == (len(names) > 0) {
		return cmdutil.UsageError("", "name members, or give --all")
	}
	grace, err := cmdutil.PositiveDuration(r.CLI, "grace", "usher key refresh denies the old key at once")
	if err != nil {
		return err
	}
	in := &wire.RefreshToken{Key: r.CLI.String("key"), Grace: grace.String()}
	if in.Key != "" {
		if err := remote.CheckName("key", in.Key); err != nil {
			return err
		}
	}
	members, err := r.API.Members(ctx, r.Project)
	if err != nil {
		return err
	}
	var all []string
	for i := range members.Users {
		all = append(all, members.Users[i].Name)
	}
	if slices.Sort(all); r.CLI.Bool("all") {
		names = all
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%s is no member of project %s", name, r.Project), Hint: "no key was replaced"}
		}
	}
	out, err := remote.OpenKeyFile(r.CLI)
	if err != nil {
		return err
	}
	defer out.Close()
	var results []refreshed
	for _, name := range names {
		x := refreshed{User: name}
		if err = refreshMember(ctx, r, in, grace, &x, out); err != nil {
			x.Error = err.Error()
		}
		results = append(results, x)
		if refused := new(client.Error); err != nil && (!errors.As(err, &refused) || refused.Denied()) {
			break // nor would the next one succeed
		}
		err = nil
	}
	return errors.Join(printRefreshed(r, results), refreshError(err, results, len(names), out))
}

// refreshMember replaces a key of one member and writes the new one.
func refreshMember(ctx context.Context, r *remote.Session, in *wire.RefreshToken, grace time.Duration, x *refreshed, out *remote.KeyOutput) error {
	keys, err := r.API.Keys(ctx, x.User)
	if err != nil {
		return err
	}
	if len(keys.Keys) == 0 {
		x.Skipped = "has no API key"
		return nil
	}
	u, err := r.API.RefreshToken(ctx, x.User, in)
	if err != nil {
		return err
	}
	x.Key = u.Key
	old := time.Now().Add(grace).UTC().Truncate(time.Second)
	for i := range keys.Keys { // it may end before
		if k := &keys.Keys[i]; k.Name == u.Key && !k.ExpiresOn.IsZero() && k.ExpiresOn.Before(old) {
			old = k.ExpiresOn
		}
	}
	x.OldEndsOn = &old
	if !u.ExpiresOn.IsZero() {
		x.ExpiresOn = &u.ExpiresOn
	}
	if err := out.Write(u.Name + " " + u.Key + " " + u.Token); err != nil {
		return fmt.Errorf("the new key is lost, replace it with usher key refresh: %w", err)
	}
	return nil
}

func printRefreshed(r *remote.Session, results []refreshed) error {
	if results == nil {
		results = []refreshed{}
	}
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return remote.FormatTime(*t)
	}
	return r.Print(results, func() error {
		return remote.PrintTable(r.CLI.App.Writer, []remote.Column[refreshed]{
			{Name: "user", Value: func(x *refreshed) string { return x.User }},
			{Name: "key", Value: func(x *refreshed) string { return x.Key }},
			{Name: "old ends", Value: func(x *refreshed) string { return at(x.OldEndsOn) }},
			{Name: "new ends", Value: func(x *refreshed) string { return at(x.ExpiresOn) }},
			{Name: "result", Value: (*refreshed).result},
		}, results)
	})
}

// refreshError returns the error that ended the command, or that some keys were not replaced.
func refreshError(err error, results []refreshed, of int, out *remote.KeyOutput) error {
	if err != nil {
		return err
	}
	failed := 0
	for i := range results {
		if results[i].Error != "" {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return &fault.Error{
		Kind: fault.Runtime, Err: fmt.Errorf("%d of %d keys were not replaced; the others are %s", failed, of, out.Destination()),
		Hint: "mend the cause, then repeat it for these users with another --to; for a user with several keys choose one with --key KEY",
	}
}

// endingWithin returns the keys that end within a time.
func endingWithin(keys []wire.Key, within time.Duration, now time.Time) []wire.Key {
	return slices.DeleteFunc(keys, func(k wire.Key) bool {
		return k.ExpiresOn.IsZero() || k.ExpiresOn.Before(now) || k.ExpiresOn.After(now.Add(within))
	})
}
