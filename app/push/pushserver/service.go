package pushserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"usher/app/push/amssource"
	"usher/app/push/pushpb"
)

// unavailable is what AMS's push server says if it does not work.
const unavailable = "The push service is currently unable to handle any requests"

// service implements pushpb.PushServiceServer with the messages and codes of AMS.
type service struct {
	pushpb.UnimplementedPushServiceServer

	registry Registry
	log      *slog.Logger
}

// ActivateSubscription implements pushpb.PushServiceServer.
func (s *service) ActivateSubscription(ctx context.Context, r *pushpb.ActivateSubscriptionRequest) (*pushpb.ActivateSubscriptionResponse, error) {
	if s.registry.Ready() != nil {
		return nil, status.Error(codes.Internal, unavailable)
	}
	sub, err := subscriptionOf(r.GetSubscription())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	name := sub.Name.String()
	switch err := s.registry.Activate(ctx, sub); {
	case errors.Is(err, ErrActive):
		return nil, status.Errorf(codes.AlreadyExists, "Subscription %s is already activated", name)
	case err != nil:
		return nil, s.internal(ctx, name, err)
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "subscription activated", slog.String("subscription", name))
	return &pushpb.ActivateSubscriptionResponse{Message: fmt.Sprintf("Subscription %s activated", name)}, nil
}

// DeactivateSubscription implements pushpb.PushServiceServer.
func (s *service) DeactivateSubscription(ctx context.Context, r *pushpb.DeactivateSubscriptionRequest) (*pushpb.DeactivateSubscriptionResponse, error) {
	if s.registry.Ready() != nil {
		return nil, status.Error(codes.Internal, unavailable)
	}
	name, err := amssource.ParseName(r.GetFullName())
	if err == nil {
		err = s.registry.Deactivate(ctx, name)
	}
	switch {
	case errors.Is(err, ErrNotActive), errors.Is(err, amssource.ErrName):
		return nil, notActive(name)
	case err != nil:
		return nil, s.internal(ctx, name.String(), err)
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "subscription deactivated", slog.String("subscription", name.String()))
	return &pushpb.DeactivateSubscriptionResponse{Message: fmt.Sprintf("Subscription %s deactivated", name)}, nil
}

// Status implements pushpb.PushServiceServer.
func (s *service) Status(context.Context, *pushpb.StatusRequest) (*pushpb.StatusResponse, error) {
	if err := s.registry.Ready(); err != nil {
		reason := err.Error()
		return nil, status.Errorf(codes.Internal, "%s. %s%s", unavailable, strings.ToUpper(reason[:1]), reason[1:])
	}
	return &pushpb.StatusResponse{}, nil
}

// SubscriptionStatus implements pushpb.PushServiceServer.
func (s *service) SubscriptionStatus(ctx context.Context, r *pushpb.SubscriptionStatusRequest) (*pushpb.SubscriptionStatusResponse, error) {
	if s.registry.Ready() != nil {
		return nil, status.Error(codes.Internal, unavailable)
	}
	name, err := amssource.ParseName(r.GetFullName())
	if err != nil {
		return nil, notActive(name)
	}
	state, err := s.registry.State(ctx, name)
	switch {
	case errors.Is(err, ErrNotActive):
		return nil, notActive(name)
	case err != nil:
		return nil, s.internal(ctx, name.String(), err)
	}
	return &pushpb.SubscriptionStatusResponse{Status: state.Text(name.String())}, nil
}

// notActive is the answer about a subscription that is not active; with no name, about one
// whose name is none.
func notActive(name amssource.Name) error {
	if name == (amssource.Name{}) {
		return status.Error(codes.NotFound, "Subscription is not active: its name is not of the form /projects/P/subscriptions/S")
	}
	return status.Errorf(codes.NotFound, "Subscription %s is not active", name)
}

// internal logs an error, and answers without it.
func (s *service) internal(ctx context.Context, name string, err error) error {
	s.log.LogAttrs(ctx, slog.LevelError, "push service failed", slog.String("subscription", name), slog.String("error", err.Error()))
	return status.Error(codes.Internal, unavailable)
}
