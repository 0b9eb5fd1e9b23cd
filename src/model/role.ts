import { z } from "zod";

/** What a token lets its holder do. */
export const roleSchema = z.enum(["viewer", "operator", "approver", "auditor", "admin", "agent"]);
export type Role = z.infer<typeof roleSchema>;

/** Roles that people and programs get with a token; an agent gets its own by joining. */
export const tokenRoleSchema = roleSchema.exclude(["agent"]);
export type TokenRole = z.infer<typeof tokenRoleSchema>;

/** What a route asks of its caller; `anyone` is for routes that check what they are given themselves. */
export type RequiredRole = Role | "anyone";

/**
 * Which roles a role stands for. The agent's stands apart: no person's token claims work or opens keys, and no agent's
 * looks at what is not its own.
 */
const STANDS_FOR: Readonly<Record<Role, readonly Role[]>> = {
  viewer: ["viewer"],
  operator: ["viewer", "operator"],
  approver: ["viewer", "approver"],
  auditor: ["viewer", "auditor"],
  admin: ["viewer", "operator", "approver", "auditor", "admin"],
  agent: ["agent"],
};

/** Whether a caller of this role may call what asks for that one. */
export function mayCall(role: Role, required: RequiredRole): boolean {
  return required === "anyone" || STANDS_FOR[role].includes(required);
}
