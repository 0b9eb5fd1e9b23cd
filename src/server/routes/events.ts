import { eventFeed } from "../../control/event-feed.ts";
import { api } from "../../model/api/index.ts";
import { lastEventId } from "../event-stream.ts";
import { implementStream } from "../implement.ts";

export const eventRoutes = [
  implementStream(api.events.stream, (filter, { dispatcher: { ports, leases }, eventWatch: watch }, { lastEventId: header, admit, signal }) => eventFeed({ ports, leases, watch }, { filter, after: lastEventId(header), admit, signal })),
];
