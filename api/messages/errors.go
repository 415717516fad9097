package messages

import (
	"context"
	"errors"

	"usher/api/apierror"
)

// storeError is the answer to a request whose call of the store failed.
func storeError(err error) error {
	var e *apierror.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrNoStream):
		return apierror.NoStream().WithCause(err)
	case errors.Is(err, ErrNoConsumer):
		return apierror.NoConsumer().WithCause(err)
	case errors.Is(err, ErrFull):
		return apierror.StreamFull(err)
	case errors.Is(err, ErrTooLarge):
		return apierror.MessageTooLarge().WithCause(err)
	case errors.Is(err, ErrAckTimeout):
		return apierror.AckTimeout().WithCause(err)
	case errors.Is(err, ErrBusy):
		return busy("Too many pulls of this project are on their way").WithCause(err)
	case errors.Is(err, ErrOffset):
		return apierror.Invalid("Offset out of bounds").WithCause(err)
	case errors.Is(err, context.Canceled):
		return apierror.MessagesUnavailable(err) // the client has gone: nobody reads it
	default:
		return apierror.MessagesUnavailable(err)
	}
}
