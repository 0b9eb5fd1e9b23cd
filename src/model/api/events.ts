import { z } from "zod";
import { eventFilterSchema } from "../event.ts";
import { route } from "./route.ts";

export const eventRoutes = {
  stream: route({
    name: "events.stream",
    method: "GET",
    path: "/v1/events",
    summary: "Jobs and findings as they change, as server-sent events, until the caller goes.",
    role: "viewer",
    answers: "event-stream",
    input: eventFilterSchema,
    output: z.string(),
  }),
};
