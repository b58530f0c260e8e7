import { ChangeDetectionStrategy, Component, inject, input, output, signal } from "@angular/core";
import { type FieldFault, TokenApiError, type TokenResponse } from "livekit-token-api-client";

import { TokenApiService } from "./token-api.service.js";

/** A button that gets a token for a room, and says why there is none. */
@Component({
  selector: "app-join",
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <button type="button" [disabled]="asking()" (click)="join()">Join {{ roomName() }}</button>
    @if (problem(); as text) {
      <p role="alert">{{ text }}</p>
    }
    @for (fault of faults(); track fault.field) {
      <p>{{ fault.field }} {{ fault.message }}</p>
    }
  `,
})
export class JoinComponent {
  readonly roomName = input.required<string>();
  readonly identity = input.required<string>();
  readonly issued = output<TokenResponse>();

  protected readonly asking = signal(false);
  protected readonly problem = signal("");
  protected readonly faults = signal<readonly FieldFault[]>([]);

  readonly #tokens = inject(TokenApiService);

  protected join(): void {
    this.asking.set(true);
    this.problem.set("");
    this.faults.set([]);
    this.#tokens
      .generateToken({ roomName: this.roomName(), participantIdentity: this.identity() })
      .subscribe({
        next: (token) => {
          this.asking.set(false);
          this.issued.emit(token);
        },
        error: (error: unknown) => {
          this.asking.set(false);
          this.problem.set(textFor(error));
          this.faults.set(error instanceof TokenApiError ? error.validationErrors : []);
        },
      });
  }
}

function textFor(error: unknown): string {
  if (!(error instanceof TokenApiError)) {
    return "The token service cannot be reached.";
  }
  switch (error.errorCode) {
    case "UNAUTHENTICATED":
      return "Please sign in.";
    case "ROOM_NOT_ALLOWED":
      return "This room is not open to you.";
    case "RATE_LIMITED":
      return `Please wait for ${error.retryAfterSeconds ?? 60} seconds.`;
    default:
      return `It did not work. Quote ${error.requestId} when you ask for help.`;
  }
}
