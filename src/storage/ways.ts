import { gatewayPlaceSchema, openGateway } from "./gateway-place.ts";
import { presignedWay } from "./s3/presigned-way.ts";
import { defineWay, type Way } from "./way.ts";

const gatewayWay = defineWay({ kind: "gateway", title: "Through a `holdfast gateway` on another host", options: gatewayPlaceSchema, open: openGateway });

/** The ways there are; a new one is one file and one line here. */
export const ways: readonly Way[] = [gatewayWay, presignedWay];
